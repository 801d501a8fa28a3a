(** When one geometry is the optimum, it is the only one.

    Given vectors q_s, residuals r_s = Y_s - q_s with E r transpose(r) = c^2 Pi, Pi = I - 11'/K, and a classifier
    whose own answer to r_s is q_s: that classifier is a global optimum, and every global optimum, with or
    without a bias, has its Gram matrix. Two theorems follow: the geometry that one asks for, here, and the joint
    theorem, in Joint.v. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap.
Open Scope R_scope.

(** W transpose(W) = G. *)
Definition gram_is (K d : nat) (W G : nat -> nat -> R) : Prop :=
  forall k l, (k < K)%nat -> (l < K)%nat -> dot d (W k) (W l) = G k l.

(** E r transpose(r) = c2 Pi, as quadratic forms. *)
Definition centred_moment (N K : nat) (pi : nat -> R) (r : nat -> nat -> R) (c2 : R) : Prop :=
  forall v, moment N K pi r v = c2 * (sq K v - sum K v * sum K v / INR K).

(** Row k of G times r. *)
Definition apply (K : nat) (G : nat -> nat -> R) (r : nat -> R) (k : nat) : R := dot K (G k) r.

Definition zero_rows (K : nat) (G : nat -> nat -> R) : Prop := forall k, (k < K)%nat -> sum K (G k) = 0.

Lemma tmul_one K W j : tmul K W (fun _ => 1) j = sum K (column W j).
Proof. apply sum_ext. intros. unfold column. ring. Qed.

(** If the rows of W transpose(W) have sum zero, so have the columns of W. *)
Lemma gram_zero_columns K d W G :
  gram_is K d W G -> zero_rows K G -> forall j, (j < d)%nat -> sum K (column W j) = 0.
Proof.
  intros HG Z j Hj. rewrite <- tmul_one. set (u := tmul K W (fun _ => 1)).
  apply (sq_zero d u); auto.
  change (sq d u) with (dot d u u). unfold u at 1. rewrite <- dot_mul.
  apply sum_zero. intros k Hk. unfold u. rewrite mul_tmul.
  rewrite (sum_ext K _ (G k)), (Z k Hk); [ring |].
  intros l Hl. rewrite HG by auto. ring.
Qed.

Lemma zero_columns_rows K d W k :
  (forall j, (j < d)%nat -> sum K (column W j) = 0) -> sum K (fun l => dot d (W k) (W l)) = 0.
Proof.
  intros C. unfold dot. rewrite sum_exchange. apply sum_zero. intros j Hj.
  rewrite sum_scal. change (fun l => W l j) with (column W j). rewrite C by auto. ring.
Qed.

(** A vector of sum zero that every residual is orthogonal to is zero. *)
Lemma moment_kernel N K pi r c2 v :
  (0 < K)%nat -> 0 < c2 -> centred_moment N K pi r c2 -> sum K v = 0 ->
  (forall s, (s < N)%nat -> dot K (r s) v = 0) -> forall k, (k < K)%nat -> v k = 0.
Proof.
  intros HK C M S O. apply sq_zero.
  assert (E := M v). rewrite S in E.
  assert (Z : moment N K pi r v = 0).
  { apply sum_zero. intros s Hs. rewrite O by auto. ring. }
  rewrite Z in E. unfold Rdiv in E. rewrite !Rmult_0_l, Rminus_0_r in E. nra.
Qed.

Section Design.
Variables (N K d : nat) (pi : nat -> R) (Y q G : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.
Hypothesis probabilities : forall s, (s < N)%nat -> simplex K (q s).

Let r := residual Y q.
Hypothesis second_moment : centred_moment N K pi r (lambda_W * lambda_H).

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation bound := (expect N pi (fun s => entropy K (q s))).

Lemma c2_positive : 0 < lambda_W * lambda_H.
Proof. now apply Rmult_lt_0_compat. Qed.

Lemma K_positive : 0 < INR K.
Proof. now apply lt_0_INR. Qed.

Lemma design_feasible : feasible N K pi Y (lambda_W * lambda_H) q.
Proof.
  split; [exact probabilities |]. intros v. change (residual Y q) with r. rewrite second_moment.
  assert (0 <= sum K v * sum K v / INR K).
  { apply Rmult_le_pos; [nra |]. apply Rlt_le, Rinv_0_lt_compat, K_positive. }
  assert (P := c2_positive). nra.
Qed.

(** The classifier's columns vanish in the mean wherever the trace term does. *)
Lemma columns_zero W :
  (forall j, (j < d)%nat ->
     moment N K pi (residual Y q) (column W j) = lambda_W * lambda_H * sq K (column W j)) ->
  forall j, (j < d)%nat -> sum K (column W j) = 0.
Proof.
  intros M j Hj. assert (E := M j Hj). change (residual Y q) with r in E. rewrite second_moment in E.
  assert (P := c2_positive). assert (Q := K_positive).
  assert (Z : lambda_W * lambda_H * (sum K (column W j) * sum K (column W j) / INR K) = 0) by lra.
  apply Rmult_integral in Z. destruct Z as [Z | Z]; [lra |].
  unfold Rdiv in Z. assert (0 < / INR K) by now apply Rinv_0_lt_compat.
  apply Rmult_integral in Z. destruct Z as [Z | Z]; [| lra]. nra.
Qed.

(** What the classifier answers to r_s are the logits of q_s. *)
Hypothesis rows : zero_rows K G.
Hypothesis columns : forall l, (l < K)%nat -> sum K (fun k => G k l) = 0.
Hypothesis consistent : forall s k, (s < N)%nat -> (k < K)%nat ->
  softmax K (fun l => apply K G (r s) l / lambda_H) k = q s k.

Lemma answer_sum s : sum K (fun k => apply K G (r s) k / lambda_H) = 0.
Proof.
  unfold Rdiv. rewrite sum_scal_r. unfold apply, dot. rewrite sum_exchange.
  rewrite sum_zero; [ring |]. intros l Hl. rewrite sum_scal_r, columns by auto. ring.
Qed.

Lemma mul_sum_zero W v :
  (forall j, (j < d)%nat -> sum K (column W j) = 0) -> sum K (mul d W v) = 0.
Proof.
  intros C. unfold mul, dot. rewrite sum_exchange. apply sum_zero. intros j Hj.
  rewrite sum_scal_r. change (fun k => W k j) with (column W j). rewrite C by auto. ring.
Qed.

(** The bound is met where the classifier has the Gram matrix G and the features are its own answer. *)
Theorem design_attained W h :
  gram_is K d W G ->
  (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = tmul K W (r s) j / lambda_H) ->
  L W no_bias h = bound.
Proof.
  intros HG HF. apply met_bound; auto.
  - intros s Hs. apply (proj2 (probabilities s Hs)).
  - apply bias_gap_none.
  - intros s k Hs Hk. rewrite <- (consistent s k Hs Hk). apply softmax_ext; auto.
    intros l Hl. unfold logits, no_bias.
    rewrite (mul_ext d W (h s) (fun j => / lambda_H * tmul K W (r s) j)).
    + rewrite mul_scal, mul_tmul. unfold apply, dot, Rdiv.
      rewrite (sum_ext K (fun i => sum d (fun k0 => W l k0 * W i k0) * r s i) (fun i => G l i * r s i)); [ring |].
      intros i Hi. change (sum d (fun k0 => W l k0 * W i k0)) with (dot d (W l) (W i)). now rewrite HG.
    + intros j Hj. rewrite HF by auto. unfold Rdiv. ring.
  - apply sum_zero. intros j Hj. change (residual Y q) with r. rewrite second_moment.
    rewrite (gram_zero_columns K d W G HG rows j Hj). field.
    assert (P := K_positive). lra.
Qed.

(** Whoever meets the bound, with no bias or, where E r = 0, with any, has that Gram matrix, those features,
    and a bias that is the same for all classes. *)
Theorem design_unique W b h :
  (forall k, b k = 0) \/ unbiased N K pi Y q ->
  L W b h <= bound ->
  gram_is K d W G
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = tmul K W (r s) j / lambda_H)
  /\ (forall k l, (k < K)%nat -> (l < K)%nat -> b k = b l).
Proof.
  intros HB M.
  assert (Z : bias_gap N K pi Y b q = 0).
  { destruct HB as [B | U]; [apply sum_zero; intros; rewrite B; ring | now apply bias_gap_unbiased]. }
  destruct (closed_gap N K pi Y classes law d lambda_W lambda_H positive_H W b h q design_feasible Z M)
    as (HP & HF & HM).
  change (residual Y q) with r in HF.
  assert (C := columns_zero W HM).
  assert (PK := K_positive).
  set (t := sum K b / INR K).
  (* the logits are those of q up to a shift, and the shift is the mean of b *)
  assert (S1 : forall s k, (s < N)%nat -> (k < K)%nat ->
    mul d W (h s) k + b k = apply K G (r s) k / lambda_H + t).
  { intros s k Hs Hk.
    set (z := logits d W b (h s)). set (x := fun l => apply K G (r s) l / lambda_H).
    assert (A : forall l, (l < K)%nat -> z l = x l + (lse K z - lse K x)).
    { intros l Hl. rewrite (softmax_log K z (q s) l), (softmax_log K x (q s) l); auto; [ring | | now apply HP].
      now apply consistent. }
    assert (E : sum K z = sum K x + INR K * (lse K z - lse K x)).
    { rewrite <- sum_const, <- sum_plus. now apply sum_ext. }
    assert (EX : sum K x = 0) by apply answer_sum.
    assert (EZ : sum K z = sum K b).
    { unfold z, logits. rewrite sum_plus, mul_sum_zero by auto. ring. }
    rewrite EX, EZ in E.
    assert (T : lse K z - lse K x = t) by (unfold t; rewrite E; field; lra).
    specialize (A k Hk). rewrite T in A. exact A. }
  set (D := fun k l => dot d (W k) (W l) - G k l).
  assert (S2 : forall s k, (s < N)%nat -> (k < K)%nat -> dot K (r s) (D k) = lambda_H * (t - b k)).
  { intros s k Hs Hk. assert (E := S1 s k Hs Hk).
    rewrite (mul_ext d W (h s) (fun j => / lambda_H * tmul K W (r s) j)) in E
      by (intros j Hj; rewrite HF by auto; unfold Rdiv; ring).
    rewrite mul_scal, mul_tmul in E.
    unfold D. rewrite dot_minus_r, (dot_sym K (r s) (G k)).
    change (dot K (G k) (r s)) with (apply K G (r s) k).
    assert (F : dot K (r s) (fun l => dot d (W k) (W l)) = sum K (fun l => dot d (W k) (W l) * r s l))
      by apply dot_sym.
    rewrite F. apply Rmult_eq_compat_l with (r := lambda_H) in E.
    rewrite !Rmult_plus_distr_l, <- Rmult_assoc, Rinv_r, Rmult_1_l in E by lra.
    replace (lambda_H * (apply K G (r s) k / lambda_H)) with (apply K G (r s) k) in E by (field; lra).
    lra. }
  assert (S3 : forall k, (k < K)%nat -> b k = t).
  { destruct HB as [B | U].
    - intros k _. unfold t. rewrite B, sum_zero by auto. field. lra.
    - intros k Hk.
      assert (E : expect N pi (fun s => dot K (r s) (D k)) = lambda_H * (t - b k)).
      { rewrite (expect_ext N pi _ (fun _ => lambda_H * (t - b k))) by auto.
        apply expect_const. apply law. }
      rewrite expect_dot, dot_zero_left in E by exact U.
      assert (lambda_H <> 0) by lra.
      apply eq_sym, Rmult_integral in E. destruct E; lra. }
  split; [| split].
  - intros k l Hk Hl.
    enough (E : D k l = 0) by (unfold D in E; lra).
    apply (moment_kernel N K pi r (lambda_W * lambda_H) (D k)); auto using c2_positive.
    + unfold D. rewrite sum_minus, (rows k Hk), (zero_columns_rows K d W k C). ring.
    + intros s Hs. rewrite S2, S3 by auto. ring.
  - exact HF.
  - intros k l Hk Hl. now rewrite !S3.
Qed.
End Design.

(** ** The geometry that one asks for

    For any classifier W with sum_k W_k = 0, G = W transpose(W): the labels y_k = softmax(G r_k / lambda_H) + r_k with
    r_k = (c / sqrt w_k) times column k of Pi, wherever they have no negative entry, make W a global optimum of the problem
    without a bias in which class k has the weight w_k, and no other Gram matrix is optimal. *)

Definition centred (K c k : nat) : R := delta c k - / INR K.

Definition design_residual (K : nat) (w : nat -> R) (c : R) (k l : nat) : R := c / sqrt (w k) * centred K k l.

Definition design_label (K d : nat) (w : nat -> R) (c lambda_H : R) (W : nat -> nat -> R) (k l : nat) : R :=
  softmax K (fun i => apply K (fun a b => dot d (W a) (W b)) (design_residual K w c k) i / lambda_H) l
  + design_residual K w c k l.

Lemma dot_centred K c v : (c < K)%nat -> dot K (centred K c) v = v c - sum K v / INR K.
Proof.
  intros Hc. unfold dot, centred.
  rewrite (sum_ext K _ (fun k => delta c k * v k - / INR K * v k)) by (intros; ring).
  rewrite sum_minus, sum_delta, sum_scal by auto. unfold Rdiv. ring.
Qed.

Theorem inverse_design K d w lambda_W lambda_H W :
  (0 < K)%nat -> 0 < lambda_W -> 0 < lambda_H ->
  (forall k, (k < K)%nat -> 0 < w k) -> sum K w = 1 ->
  (forall j, (j < d)%nat -> sum K (column W j) = 0) ->
  let c := sqrt (lambda_W * lambda_H) in
  let Y := design_label K d w c lambda_H W in
  (forall k l, (k < K)%nat -> (l < K)%nat -> 0 <= Y k l) ->
  let h := fun k j => tmul K W (design_residual K w c k) j / lambda_H in
  (forall W' h', objective K K d w Y lambda_W lambda_H W no_bias h
                 <= objective K K d w Y lambda_W lambda_H W' no_bias h')
  /\ (forall W' h',
        objective K K d w Y lambda_W lambda_H W' no_bias h'
        <= objective K K d w Y lambda_W lambda_H W no_bias h ->
        gram_is K d W' (fun k l => dot d (W k) (W l))).
Proof.
  intros HK PW PH Pw Sw C c Y NN h.
  set (G := fun k l => dot d (W k) (W l)).
  set (q := fun k l => softmax K (fun i => apply K G (design_residual K w c k) i / lambda_H) l).
  assert (PK : 0 < INR K) by now apply lt_0_INR.
  assert (Pc : 0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat.
  assert (R : forall s k, residual Y q s k = design_residual K w c s k).
  { intros s k. unfold residual, Y, q, design_label. fold G. ring. }
  assert (S0 : forall s, (s < K)%nat -> sum K (design_residual K w c s) = 0).
  { intros s Hs. unfold design_residual. rewrite sum_scal. unfold centred.
    rewrite sum_minus, sum_delta_one, sum_const by auto.
    replace (1 - INR K * / INR K) with 0 by (field; lra). ring. }
  assert (law : label_law K K w Y).
  { split; [exact Pw | split; [exact Sw |]]. intros s Hs. split; [auto |].
    unfold Y, design_label. rewrite sum_plus, S0, softmax_sum by auto. ring. }
  assert (Q : forall s, (s < K)%nat -> simplex K (q s)).
  { intros s Hs. apply positive_simplex, softmax_positive, HK. }
  assert (M : centred_moment K K w (residual Y q) (lambda_W * lambda_H)).
  { intros v. unfold moment, expect.
    rewrite (sum_ext K _ (fun s => lambda_W * lambda_H * ((v s - sum K v / INR K) * (v s - sum K v / INR K)))).
    - rewrite sum_scal. f_equal.
      assert (E : forall n m, sum n (fun s => (v s - m) * (v s - m)) = sq n v - 2 * m * sum n v + INR n * (m * m)).
      { intros n m. rewrite <- sum_const. sums n. }
      rewrite E. field. lra.
    - intros s Hs.
      rewrite (dot_ext K (residual Y q s) (design_residual K w c s) v v) by auto.
      unfold design_residual. rewrite dot_scal_l, dot_centred by auto.
      assert (W0 : w s = sqrt (w s) * sqrt (w s)) by (symmetry; apply sqrt_sqrt, Rlt_le; auto).
      assert (C0 : c * c = lambda_W * lambda_H) by (apply sqrt_sqrt; lra).
      assert (P : 0 < sqrt (w s)) by (apply sqrt_lt_R0; auto).
      rewrite W0 at 1. rewrite <- C0. field. lra. }
  assert (Z : zero_rows K G).
  { intros k Hk. apply (zero_columns_rows K d W k C). }
  assert (ZC : forall l, (l < K)%nat -> sum K (fun k => G k l) = 0).
  { intros l Hl. rewrite <- (Z l Hl). apply sum_ext. intros k Hk. apply dot_sym. }
  assert (CS : forall s k, (s < K)%nat -> (k < K)%nat ->
    softmax K (fun l => apply K G (residual Y q s) l / lambda_H) k = q s k).
  { intros s k Hs Hk. apply softmax_ext; auto. intros l Hl. f_equal.
    apply dot_ext; auto. }
  assert (A : objective K K d w Y lambda_W lambda_H W no_bias h = expect K w (fun s => entropy K (q s))).
  { apply (design_attained K K d w Y q G lambda_W lambda_H HK law PH Q M Z CS W h).
    - intros k l _ _. reflexivity.
    - intros s j Hs Hj. unfold h. f_equal. apply tmul_ext. intros k Hk. now rewrite R. }
  split.
  - intros W' h'. rewrite A.
    apply (weak_duality_no_bias K K w Y HK law d lambda_W lambda_H PH).
    now apply (design_feasible K K w Y q lambda_W lambda_H HK PW PH Q M).
  - intros W' h' LE. rewrite A in LE.
    apply (design_unique K K d w Y q G lambda_W lambda_H HK law PW PH Q M Z ZC CS W' no_bias h'); auto.
Qed.
