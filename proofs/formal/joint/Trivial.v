(** Global optima, the threshold of weight decay, and the trivial regime.

    Where E(y - 1/K) transpose(y - 1/K) <= lambda_W lambda_H I, W = 0, h = 0 is the only global optimum, for any label law
    and any dimension. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Roots.
Open Scope R_scope.

Section Trivial.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis two_classes : (1 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).

(** Global optima: without a bias, with a free bias, with the penalty (lambda_b/2)|b|^2. *)
Definition optimum (W h : nat -> nat -> R) : Prop := forall W' h', L W no_bias h <= L W' no_bias h'.

Definition optimum_free_bias (W : nat -> nat -> R) (b : nat -> R) (h : nat -> nat -> R) : Prop :=
  forall W' b' h', L W b h <= L W' b' h'.

Definition optimum_penalised_bias (lambda_b : R) (W : nat -> nat -> R) (b : nat -> R) (h : nat -> nat -> R) : Prop :=
  forall W' b' h', L W b h + lambda_b / 2 * sq K b <= L W' b' h' + lambda_b / 2 * sq K b'.

Definition F (a : R) : R := residual_moment N K pi Y a.

(** The threshold sigma^2 of lambda_W lambda_H. *)
Definition threshold : R := (expect N pi (fun s => sq K (Y s)) - / INR K) / (INR K - 1).

Lemma classes : (0 < K)%nat.
Proof. lia. Qed.

Lemma K_gt_1 : 1 < INR K.
Proof. apply (lt_INR 1). lia. Qed.

Lemma c2_pos : 0 < lambda_W * lambda_H.
Proof. now apply Rmult_lt_0_compat. Qed.

(** ** F(0) and the threshold *)

Lemma prediction_zero y k : prediction K 0 y k = uniform K k.
Proof.
  unfold prediction. destruct (Rlt_dec 0 0) as [P | _]; [destruct (Rlt_irrefl 0 P) | reflexivity].
Qed.

Lemma sq_from_uniform y : sum K y = 1 -> sq K (fun k => y k - uniform K k) = sq K y - / INR K.
Proof.
  intros S. assert (P := K_gt_1).
  rewrite sq_minus.
  assert (D : dot K y (uniform K) = / INR K).
  { unfold dot, uniform. rewrite sum_scal_r, S. ring. }
  assert (U : sq K (uniform K) = / INR K).
  { unfold sq, uniform. rewrite sum_const. field. lra. }
  rewrite D, U. ring.
Qed.

Lemma F_zero : F 0 = expect N pi (fun s => sq K (Y s)) - / INR K.
Proof.
  destruct law as (_ & T & LY).
  transitivity (expect N pi (fun s => sq K (Y s) - / INR K)).
  - apply expect_ext. intros s Hs. rewrite <- sq_from_uniform by apply (LY s Hs).
    apply sq_ext. intros k _. now rewrite prediction_zero.
  - rewrite expect_minus, expect_const by exact T. reflexivity.
Qed.

Lemma below_threshold_iff : lambda_W * lambda_H < threshold <-> (INR K - 1) * (lambda_W * lambda_H) < F 0.
Proof.
  assert (P := K_gt_1). rewrite F_zero. unfold threshold.
  set (v := expect N pi (fun s => sq K (Y s)) - / INR K).
  assert (E : (INR K - 1) * (v / (INR K - 1)) = v) by (field; lra).
  split; intros H.
  - rewrite <- E. apply Rmult_lt_compat_l; lra.
  - apply Rmult_lt_reg_l with (INR K - 1); lra.
Qed.

(** The root exists exactly below the threshold, and is unique. *)
Theorem sharpness_exists_iff :
  (exists a, 0 < a /\ F a = (INR K - 1) * (lambda_W * lambda_H)) <-> lambda_W * lambda_H < threshold.
Proof.
  assert (P := K_gt_1). assert (C := c2_pos).
  rewrite below_threshold_iff. apply (root_iff N K pi Y classes law). apply Rmult_lt_0_compat; lra.
Qed.

Theorem sharpness_unique a b :
  0 < a -> 0 < b -> F a = (INR K - 1) * (lambda_W * lambda_H) -> F b = (INR K - 1) * (lambda_W * lambda_H) -> a = b.
Proof.
  assert (P := K_gt_1). assert (C := c2_pos). intros Pa Pb.
  apply (root_unique N K pi Y classes law); try lra. apply Rmult_lt_0_compat; lra.
Qed.

(** ** Zero at and above the threshold, for any law whose moment about 1/K is below lambda_W lambda_H *)

Definition label_moment_below : Prop :=
  forall v, moment N K pi (residual Y (fun _ => uniform K)) v <= lambda_W * lambda_H * sq K v.

Lemma uniform_feasible :
  label_moment_below -> feasible N K pi Y (lambda_W * lambda_H) (fun _ => uniform K).
Proof. intros B. split; [| exact B]. intros. apply positive_simplex, uniform_positive, classes. Qed.

Lemma uniform_entropy : expect N pi (fun _ => entropy K (uniform K)) = ln (INR K).
Proof. rewrite expect_const by apply law. apply entropy_uniform, classes. Qed.

Lemma zero_value W h :
  (forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0) ->
  (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0) -> L W no_bias h = ln (INR K).
Proof.
  intros ZW ZH. assert (P := K_gt_1). unfold objective.
  assert (E : sum K (fun k => sq d (W k)) = 0).
  { apply sum_zero. intros k Hk. apply sum_zero. intros j Hj. rewrite ZW by auto. ring. }
  rewrite E. rewrite (expect_ext N pi _ (fun _ => ln (INR K))).
  - rewrite expect_const by apply law. lra.
  - intros s Hs.
    assert (H : sq d (h s) = 0) by (apply sum_zero; intros j Hj; rewrite ZH by auto; ring).
    rewrite H. unfold CE, lse.
    assert (Z : forall k, (k < K)%nat -> logits d W no_bias (h s) k = 0).
    { intros k Hk. unfold logits, no_bias, mul.
      rewrite dot_zero_left by (intros; now apply ZW). ring. }
    assert (S : esum K (logits d W no_bias (h s)) = INR K).
    { unfold esum. rewrite (sum_ext K _ (fun _ => 1)).
      - rewrite sum_const. ring.
      - intros k Hk. rewrite Z by auto. apply exp_0. }
    rewrite S. rewrite (sum_ext K _ (fun k => Y s k * ln (INR K))).
    + rewrite sum_scal_r, (label_sum N K pi Y law s Hs). lra.
    + intros k Hk. rewrite Z by auto. ring.
Qed.

Lemma zero_unique W b h :
  label_moment_below -> (forall k, b k = 0) \/ unbiased N K pi Y (fun _ => uniform K) ->
  L W b h <= ln (INR K) ->
  (forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0)
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0)
  /\ (N <> 0%nat -> forall k l, (k < K)%nat -> (l < K)%nat -> b k = b l).
Proof.
  intros B HB M. assert (PK := classes).
  assert (Z : bias_gap N K pi Y b (fun _ => uniform K) = 0).
  { destruct HB as [Hb | U]; [apply sum_zero; intros; rewrite Hb; ring | now apply bias_gap_unbiased]. }
  rewrite <- uniform_entropy in M.
  destruct (closed_gap N K pi Y classes law d lambda_W lambda_H positive_H W b h _ (uniform_feasible B) Z M)
    as (HP & HF & HM).
  set (r := residual Y (fun _ => uniform K)) in *.
  assert (S0 : forall s, (s < N)%nat -> sum K (r s) = 0).
  { intros s Hs. unfold r, residual. rewrite sum_minus, (label_sum N K pi Y law s Hs).
    rewrite (proj2 (uniform_positive K classes)). ring. }
  (* the logits are constant *)
  assert (CL : forall s, (s < N)%nat -> exists t, forall k, (k < K)%nat -> mul d W (h s) k = t - b k).
  { intros s Hs. exists (ln (/ INR K) + lse K (logits d W b (h s))). intros k Hk.
    assert (E := softmax_log K (logits d W b (h s)) (uniform K) k classes (HP s k Hs Hk)).
    unfold logits at 1 in E. unfold uniform in E. lra. }
  (* so lambda_H E |h|^2 = E <r, W h> = - <E r, b> = 0 *)
  assert (H1 : forall s, (s < N)%nat -> lambda_H * sq d (h s) = - dot K (r s) b).
  { intros s Hs. destruct (CL s Hs) as [t E].
    assert (A : dot K (r s) (mul d W (h s)) = lambda_H * sq d (h s)).
    { rewrite dot_mul. unfold sq. rewrite <- sum_scal. apply sum_ext. intros j Hj.
      rewrite (HF s j Hs Hj). field. lra. }
    rewrite <- A.
    rewrite (dot_ext K (r s) (r s) _ (fun k => t - b k)) by auto.
    rewrite dot_minus_r. unfold dot at 1. rewrite sum_scal_r, S0 by auto. ring. }
  assert (H2 : expect N pi (fun s => sq d (h s)) = 0).
  { assert (E : lambda_H * expect N pi (fun s => sq d (h s)) = 0).
    { rewrite <- expect_scal.
      rewrite (expect_ext N pi _ (fun s => (-1) * dot K (r s) b)) by (intros s Hs; rewrite H1 by auto; ring).
      rewrite expect_scal, expect_dot, dot_sym.
      change (dot K b (fun k => expect N pi (fun s => r s k))) with (bias_gap N K pi Y b (fun _ => uniform K)).
      rewrite Z. ring. }
    nra. }
  assert (H3 : forall s, (s < N)%nat -> sq d (h s) = 0).
  { apply (expect_nonneg_zero N K pi Y law (fun s => sq d (h s))); auto. intros. apply sq_nonneg. }
  assert (H4 : forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0).
  { intros s j Hs Hj. exact (sq_zero d (h s) (H3 s Hs) j Hj). }
  split; [| split].
  - assert (V : lambda_W / 2 * sum K (fun k => sq d (W k)) <= 0).
    { rewrite uniform_entropy in M. unfold objective in M.
      enough (ln (INR K) <= expect N pi
        (fun s => CE K (logits d W b (h s)) (Y s) + lambda_H / 2 * sq d (h s))) by lra.
      rewrite <- (expect_const N pi (ln (INR K))) by apply law.
      apply (expect_le N K pi Y law). intros s Hs. rewrite (H3 s Hs).
      assert (A := fenchel_le K (logits d W b (h s)) (Y s) (uniform K) classes
                     (label_sum N K pi Y law s Hs)
                     (positive_simplex K _ (uniform_positive K classes))).
      rewrite entropy_uniform in A by exact classes.
      destruct (CL s Hs) as [t E].
      rewrite (dot_ext K _ (fun k => (-1) * r s k) _ (fun _ => t)) in A.
      2: { intros k Hk. unfold r, residual. ring. }
      2: { intros k Hk. unfold logits. rewrite E by auto. ring. }
      rewrite dot_scal_l in A. unfold dot in A. rewrite sum_scal_r, S0 in A by auto. lra. }
    assert (Q : forall k, (k < K)%nat -> 0 <= sq d (W k)) by (intros; apply sq_nonneg).
    assert (T : sum K (fun k => sq d (W k)) = 0).
    { assert (0 <= sum K (fun k => sq d (W k))) by (apply sum_nonneg; auto). nra. }
    intros k j Hk Hj. apply (sq_zero d (W k)); auto.
    now apply (sum_nonneg_zero K (fun k => sq d (W k))).
  - exact H4.
  - intros HN k l Hk Hl. destruct (CL 0%nat ltac:(lia)) as [t E].
    assert (E1 := E k Hk). assert (E2 := E l Hl).
    assert (O : forall i, mul d W (h 0%nat) i = 0).
    { intros i. unfold mul. rewrite dot_sym. apply dot_zero_left. intros. apply H4; auto. lia. }
    rewrite O in E1, E2. lra.
Qed.

Lemma law_inhabited : N <> 0%nat.
Proof. intros E. destruct law as (_ & T & _). rewrite E in T. simpl in T. lra. Qed.

Theorem zero_is_the_only_optimum W h :
  label_moment_below -> optimum W h ->
  (forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0)
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0) /\ L W no_bias h = ln (INR K).
Proof.
  intros B O.
  assert (M : L W no_bias h <= ln (INR K)).
  { rewrite <- (zero_value (fun _ _ => 0) (fun _ _ => 0)) by auto. apply O. }
  destruct (zero_unique W no_bias h B (or_introl (fun _ => eq_refl)) M) as (ZW & ZH & _).
  split; [exact ZW | split; [exact ZH |]]. now apply zero_value.
Qed.

Theorem zero_is_an_optimum : label_moment_below -> optimum (fun _ _ => 0) (fun _ _ => 0).
Proof.
  intros B W' h'. rewrite zero_value by auto. rewrite <- uniform_entropy.
  apply (weak_duality_no_bias N K pi Y classes law d lambda_W lambda_H positive_H).
  now apply uniform_feasible.
Qed.

End Trivial.
