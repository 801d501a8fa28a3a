(** Squared error: the optimum against a simplex ETF is linear in the label; jointly, with a free bias, it is an ETF. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Design Frame Roots Exchange Trivial Joint Forms.
Open Scope R_scope.

(** ** Against a given simplex ETF *)

Definition squared_ridge_loss (K d : nat) (W : nat -> nat -> R) (ridge : R) (y h : nat -> R) : R :=
  sq K (fun k => mul d W h k - y k) / 2 + ridge / 2 * sq d h.

(** h = transpose(W) y / (g + ridge) is the only minimum, for every vector y; so it is linear in y. *)
Theorem squared_optimum K d W g ridge y :
  (0 < K)%nat -> gram_is K d W (simplex_gram K g) -> 0 <= g -> 0 < ridge ->
  only_minimum d (squared_ridge_loss K d W ridge y) (fun j => tmul K W y j / (g + ridge)).
Proof.
  intros HK HG Pg PR. set (h := fun j => tmul K W y j / (g + ridge)).
  set (res := fun k => mul d W h k - y k).
  (* the gradient vanishes *)
  assert (S : forall j, (j < d)%nat -> tmul K W res j + ridge * h j = 0).
  { intros j Hj. unfold res. rewrite tmul_minus.
    assert (A : tmul K W (mul d W h) j = g * h j).
    { rewrite (tmul_ext K W (mul d W h) (fun k => g / (g + ridge) * (y k - sum K y / INR K)) j).
      - rewrite tmul_scal, (simplex_tmul_shift K d W g HK HG y (sum K y / INR K) j Hj). unfold h. field. lra.
      - intros k Hk. rewrite (mul_ext d W h (fun i => / (g + ridge) * tmul K W y i)) by (intros; unfold h; field; lra).
        rewrite mul_scal, mul_tmul.
        rewrite (sum_ext K _ (fun l => g * (centred K k l * y l))).
        + rewrite sum_scal. change (sum K (fun l => centred K k l * y l)) with (dot K (centred K k) y).
          rewrite dot_centred by exact Hk. field. split; [| lra]. apply not_0_INR. lia.
        + intros l Hl. rewrite HG by auto. unfold simplex_gram, centred. ring. }
    rewrite A. unfold h. field. lra. }
  assert (X : forall h', squared_ridge_loss K d W ridge y h'
    = squared_ridge_loss K d W ridge y h + sq K (mul d W (minus_ h' h)) / 2 + ridge / 2 * sq d (minus_ h' h)).
  { intros h'. unfold squared_ridge_loss.
    assert (A : sq K (fun k => mul d W h' k - y k)
                = sq K res + 2 * dot K res (mul d W (minus_ h' h)) + sq K (mul d W (minus_ h' h))).
    { rewrite (sq_ext K _ (fun k => res k + 1 * mul d W (minus_ h' h) k)).
      - rewrite sq_line. ring.
      - intros k _. unfold res, minus_. rewrite mul_minus. ring. }
    assert (B : sq d h' = sq d h + 2 * dot d h (minus_ h' h) + sq d (minus_ h' h)).
    { rewrite (sq_ext d h' (fun j => h j + 1 * minus_ h' h j)) by (intros; unfold minus_; ring).
      rewrite sq_line. ring. }
    assert (C : dot K res (mul d W (minus_ h' h)) + ridge * dot d h (minus_ h' h) = 0).
    { rewrite dot_mul, <- dot_scal_l.
      unfold dot. rewrite <- sum_plus.
      apply sum_zero. intros j Hj. rewrite <- Rmult_plus_distr_r, (S j Hj). ring. }
    rewrite A, B. fold res. lra. }
  split.
  - intros h'. rewrite (X h'). assert (P := sq_nonneg K (mul d W (minus_ h' h))). assert (Q := sq_nonneg d (minus_ h' h)).
    assert (0 <= ridge / 2 * sq d (minus_ h' h)) by (apply Rmult_le_pos; lra). lra.
  - intros h' L j Hj. rewrite (X h') in L.
    assert (P := sq_nonneg K (mul d W (minus_ h' h))). assert (Q := sq_nonneg d (minus_ h' h)).
    assert (Z : sq d (minus_ h' h) = 0) by nra.
    assert (E := sq_zero d _ Z j Hj). unfold minus_ in E. lra.
Qed.

(** ** Joint, with a free bias *)

Definition squared_objective (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R)
    (W : nat -> nat -> R) (b : nat -> R) (h : nat -> nat -> R) : R :=
  expect N pi (fun s => sq K (fun k => logits d W b (h s) k - Y s k) / 2 + lambda_H / 2 * sq d (h s))
  + lambda_W / 2 * sum K (fun k => sq d (W k)).

Section Squared.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis two_classes : (1 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (squared_objective N K d pi Y lambda_W lambda_H).
Notation feature_gap := (feature_gap N K pi Y d lambda_H).
Notation classifier_gap := (classifier_gap N K pi Y d lambda_W lambda_H).

Definition dual_value (q : nat -> nat -> R) : R :=
  expect N pi (fun s => dot K (residual Y q s) (Y s) - sq K (residual Y q s) / 2).

Definition fit_gap W b h (q : nat -> nat -> R) : R :=
  expect N pi (fun s => sq K (fun k => q s k - logits d W b (h s) k)).

(** For ANY W, b, h and any vectors q. *)
Theorem squared_gap_identity W b h q :
  L W b h - dual_value q
  = fit_gap W b h q / 2 + lambda_H / 2 * feature_gap W h q + classifier_gap W q / (2 * lambda_H)
    - bias_gap N K pi Y b q.
Proof.
  unfold squared_objective, dual_value, fit_gap, Gap.feature_gap, Gap.classifier_gap, bias_gap.
  rewrite (expect_ext N pi (fun s => sq K (fun k => logits d W b (h s) k - Y s k) / 2 + lambda_H / 2 * sq d (h s))
   (fun s => (dot K (residual Y q s) (Y s) - sq K (residual Y q s) / 2)
    + / 2 * sq K (fun k => q s k - logits d W b (h s) k)
    + lambda_H / 2 * sq d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H)
    - / (2 * lambda_H) * sq d (tmul K W (residual Y q s)) - dot K (residual Y q s) b)).
  - rewrite !expect_minus, !expect_plus, !expect_scal, expect_minus, moment_columns, expect_dot, sum_minus, sum_scal.
    rewrite (dot_sym K b).
    assert (E : sum K (fun k => sq d (W k)) = sum d (fun j => sq K (column W j))) by apply sum_exchange.
    rewrite E. field. lra.
  - intros s _. set (r := residual Y q s). set (u := tmul K W r). set (z := mul d W (h s)).
    assert (A : forall n, sq n (fun k => z k + b k - Y s k) / 2
      = dot n r (Y s) - sq n r / 2 + / 2 * sq n (fun k => q s k - (z k + b k)) - dot n r z - dot n r b).
    { intros n. unfold r, residual, dot, sq. induction n as [| n IH]; simpl; [lra | lra]. }
    assert (B : forall n, lambda_H / 2 * sq n (h s) = lambda_H / 2 * sq n (fun j => h s j - u j / lambda_H)
      + dot n u (h s) - / (2 * lambda_H) * sq n u).
    { intros n. unfold dot, sq. induction n as [| n IH]; simpl; [ring |].
      rewrite Rmult_plus_distr_l, IH. field. lra. }
    unfold logits. fold z. rewrite (A K), (B d). unfold z. rewrite dot_mul. fold u. ring.
Qed.

(** Where E r = 0 and E r transpose(r) is at most c^2 the dual value bounds every objective. *)
Theorem squared_weak_duality W b h q :
  (forall v, moment N K pi (residual Y q) v <= lambda_W * lambda_H * sq K v) -> unbiased N K pi Y q ->
  dual_value q <= L W b h.
Proof.
  intros F U. assert (G := squared_gap_identity W b h q).
  rewrite (bias_gap_unbiased N K pi Y b q U) in G.
  assert (A : 0 <= fit_gap W b h q) by (apply (expect_nonneg N K pi Y law); intros; apply sq_nonneg).
  assert (B := feature_gap_nonneg N K pi Y law d lambda_H W h q).
  assert (C : 0 <= classifier_gap W q) by (apply sum_nonneg; intros j _; specialize (F (column W j)); lra).
  assert (0 <= classifier_gap W q / (2 * lambda_H))
    by (apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat]; lra).
  nra.
Qed.

Hypothesis symmetric : exchangeable N K pi Y.

Let K_gt_1 : 1 < INR K := K_gt_1 K two_classes.

(** sigma^2; active below it. *)
Notation sigma2 := (threshold N K pi Y).

(** The label moment: E (y - 1/K) transpose(y - 1/K) = sigma^2 Pi, E (y - 1/K) = 0. *)
Theorem label_moment : centred_moment N K pi (residual Y (fun _ => uniform K)) sigma2.
Proof.
  intros v. unfold threshold.
  rewrite <- (F_zero N K pi Y two_classes law).
  rewrite <- (joint_moment N K pi Y two_classes law symmetric 0 (Rle_refl 0)).
  apply expect_ext. intros s _.
  rewrite (dot_ext K (residual Y (fun _ => uniform K) s) (fun k => Y s k - prediction K 0 (Y s) k) v v); auto.
  intros k _. unfold residual. now rewrite prediction_zero.
Qed.

Theorem label_mean k : (k < K)%nat -> expect N pi (fun s => residual Y (fun _ => uniform K) s k) = 0.
Proof.
  intros Hk. rewrite <- (joint_mean N K pi Y two_classes law symmetric 0 k (Rle_refl 0) Hk).
  apply expect_ext. intros s _. unfold residual. now rewrite prediction_zero.
Qed.

Hypothesis below : lambda_W * lambda_H < sigma2.

Let c := sqrt (lambda_W * lambda_H).
Let sigma := sqrt sigma2.

Lemma squared_c_pos : 0 < c.
Proof. apply sqrt_lt_R0. now apply Rmult_lt_0_compat. Qed.

Lemma squared_c_sigma : c < sigma.
Proof. apply sqrt_lt_1; [apply Rlt_le; now apply Rmult_lt_0_compat | | exact below].
  assert (0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat. lra. Qed.

(** The residual (c/sigma)(y - 1/K), the prediction what is left. *)
Let q (s k : nat) := Y s k - c / sigma * (Y s k - uniform K k).

Let r_form s k : residual Y q s k = c / sigma * residual Y (fun _ => uniform K) s k.
Proof. unfold residual, q. ring. Qed.

Lemma squared_moment : centred_moment N K pi (residual Y q) (lambda_W * lambda_H).
Proof.
  intros v. assert (P := squared_c_pos). assert (Q := squared_c_sigma).
  assert (C2 : c * c = lambda_W * lambda_H) by (apply sqrt_sqrt, Rlt_le; now apply Rmult_lt_0_compat).
  assert (S2 : sigma * sigma = sigma2).
  { apply sqrt_sqrt. assert (0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat. lra. }
  transitivity (c / sigma * (c / sigma) * moment N K pi (residual Y (fun _ => uniform K)) v).
  - unfold moment. rewrite <- expect_scal. apply expect_ext. intros s _.
    rewrite (dot_ext K (residual Y q s) (fun k => c / sigma * residual Y (fun _ => uniform K) s k) v v) by auto.
    rewrite dot_scal_l. ring.
  - rewrite label_moment, <- C2, <- S2. field. split; lra.
Qed.

Lemma squared_mean k : (k < K)%nat -> expect N pi (fun s => residual Y q s k) = 0.
Proof.
  intros Hk. rewrite (expect_ext N pi _ (fun s => c / sigma * residual Y (fun _ => uniform K) s k)) by auto.
  rewrite expect_scal, label_mean by exact Hk. ring.
Qed.

Lemma squared_bound W b h : dual_value q <= L W b h.
Proof.
  apply squared_weak_duality; [| exact squared_mean]. intros v. rewrite squared_moment.
  assert (0 <= sum K v * sum K v / INR K).
  { apply Rmult_le_pos; [nra |]. apply Rlt_le, Rinv_0_lt_compat. lra. }
  assert (0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat. nra.
Qed.

(** A simplex ETF with g = (sigma/c - 1) lambda_H and the bias 1/K attains it, … *)
Theorem squared_attained W h :
  gram_is K d W (simplex_gram K ((sigma / c - 1) * lambda_H)) ->
  (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = tmul K W (residual Y q s) j / lambda_H) ->
  L W (uniform K) h = dual_value q.
Proof.
  intros HG HF. assert (P := squared_c_pos). assert (Q := squared_c_sigma).
  assert (G := squared_gap_identity W (uniform K) h q).
  rewrite (bias_gap_unbiased N K pi Y _ q squared_mean) in G.
  assert (HK : (0 < K)%nat) by lia.
  assert (A : fit_gap W (uniform K) h q = 0).
  { apply sum_zero. intros s Hs.
    rewrite (sq_ext K _ (fun _ => 0)); [unfold sq; rewrite sum_const; ring |]. intros k Hk.
    assert (S0 : sum K (residual Y q s) = 0).
    { rewrite (sum_ext K _ (fun k => c / sigma * (Y s k - uniform K k))) by (intros; apply r_form).
      rewrite sum_scal, sum_minus, (label_sum N K pi Y law s Hs), (proj2 (uniform_positive K HK)). ring. }
    unfold logits.
    rewrite (mul_ext d W (h s) (fun j => / lambda_H * tmul K W (residual Y q s) j))
      by (intros j Hj; rewrite HF by auto; field; lra).
    rewrite mul_scal, (simplex_mul_tmul K d W _ _ k HG Hk S0), r_form. unfold q, residual. field. lra. }
  assert (B : feature_gap W h q = 0).
  { apply sum_zero. intros s Hs.
    rewrite (sq_ext d _ (fun _ => 0)); [unfold sq; rewrite sum_const; ring |].
    intros j Hj. rewrite HF by auto. ring. }
  assert (C : classifier_gap W q = 0).
  { apply sum_zero. intros j Hj. rewrite squared_moment.
    rewrite (gram_zero_columns K d W _ HG (simplex_gram_rows K _ HK) j Hj). field. lra. }
  rewrite A, B, C in G. unfold Rdiv in G. lra.
Qed.

(** … and every global optimum is one. *)
Theorem squared_joint W b h : (K - 1 <= d)%nat ->
  (forall W' b' h', L W b h <= L W' b' h') ->
  gram_is K d W (simplex_gram K ((sigma / c - 1) * lambda_H))
  /\ (forall s k, (s < N)%nat -> (k < K)%nat ->
        mul d W (h s) k = (1 - c / sigma) * (Y s k - / INR K))
  /\ (forall k, (k < K)%nat -> b k = / INR K).
Proof.
  intros Hd O. assert (P := squared_c_pos). assert (Q := squared_c_sigma).
  assert (HK : (0 < K)%nat) by lia.
  assert (M : L W b h <= dual_value q).
  { set (g := (sigma / c - 1) * lambda_H).
    assert (Pg : 0 <= g).
    { apply Rmult_le_pos; [| lra]. assert (1 < sigma / c); [| lra].
      apply Rmult_lt_reg_r with c; [lra |]. replace (sigma / c * c) with sigma by (field; lra). lra. }
    rewrite <- (squared_attained (simplex_frame K g)
      (fun s j => tmul K (simplex_frame K g) (residual Y q s) j / lambda_H)).
    - apply O.
    - apply simplex_frame_gram; [lia | lia | exact Pg].
    - auto. }
  assert (G := squared_gap_identity W b h q).
  rewrite (bias_gap_unbiased N K pi Y b q squared_mean) in G.
  assert (A : 0 <= fit_gap W b h q) by (apply (expect_nonneg N K pi Y law); intros; apply sq_nonneg).
  assert (B := feature_gap_nonneg N K pi Y law d lambda_H W h q).
  assert (CT : forall j, (j < d)%nat ->
    0 <= lambda_W * lambda_H * sq K (column W j) - moment N K pi (residual Y q) (column W j)).
  { intros j _. rewrite squared_moment.
    assert (0 <= sum K (column W j) * sum K (column W j) / INR K).
    { apply Rmult_le_pos; [nra |]. apply Rlt_le, Rinv_0_lt_compat. lra. }
    assert (0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat. nra. }
  assert (C : 0 <= classifier_gap W q) by now apply sum_nonneg.
  assert (CC : 0 <= classifier_gap W q / (2 * lambda_H))
    by (apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat]; lra).
  assert (A0 : fit_gap W b h q = 0) by nra.
  assert (B0 : feature_gap W h q = 0) by nra.
  assert (C0 : classifier_gap W q = 0).
  { assert (E : classifier_gap W q / (2 * lambda_H) = 0) by nra.
    unfold Rdiv in E. apply Rmult_integral in E. destruct E as [E | E]; [exact E |].
    assert (/ (2 * lambda_H) <> 0) by (apply Rinv_neq_0_compat; lra). contradiction. }
  assert (HM : forall j, (j < d)%nat ->
    moment N K pi (residual Y q) (column W j) = lambda_W * lambda_H * sq K (column W j)).
  { intros j Hj. assert (E := sum_nonneg_zero d _ CT C0 j Hj). simpl in E. lra. }
  assert (HF : forall s j, (s < N)%nat -> (j < d)%nat -> h s j = tmul K W (residual Y q s) j / lambda_H).
  { intros s j Hs Hj.
    assert (E := expect_nonneg_zero N K pi Y law (fun s => sq d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H))
                   (fun _ _ => sq_nonneg _ _) B0 s Hs).
    assert (E' := sq_zero d _ E j Hj). simpl in E'. lra. }
  assert (HZ : forall s k, (s < N)%nat -> (k < K)%nat -> mul d W (h s) k + b k = q s k).
  { intros s k Hs Hk.
    assert (E := expect_nonneg_zero N K pi Y law (fun s => sq K (fun k => q s k - logits d W b (h s) k))
                   (fun _ _ => sq_nonneg _ _) A0 s Hs).
    assert (E' := sq_zero K _ E k Hk). unfold logits in E'. simpl in E'. lra. }
  assert (Col := columns_zero N K d pi Y q lambda_W lambda_H HK positive_W positive_H squared_moment W HM).
  (* the bias: E h = 0, as E r = 0 *)
  assert (HB : forall k, (k < K)%nat -> b k = / INR K).
  { intros k Hk.
    assert (E : expect N pi (fun s => mul d W (h s) k + b k) = expect N pi (fun s => q s k))
      by (apply expect_ext; auto).
    rewrite expect_plus, expect_const in E by apply law.
    assert (E1 : expect N pi (fun s => mul d W (h s) k) = 0).
    { rewrite (expect_ext N pi _ (fun s => dot K (residual Y q s) (fun l => / lambda_H * dot d (W k) (W l)))).
      - rewrite expect_dot. apply dot_zero_left. intros l Hl. now apply squared_mean.
      - intros s Hs. rewrite (mul_ext d W (h s) (fun j => / lambda_H * tmul K W (residual Y q s) j))
          by (intros j Hj; rewrite HF by auto; field; lra).
        rewrite mul_scal, mul_tmul, <- sum_scal. apply sum_ext. intros. ring. }
    assert (E2 : expect N pi (fun s => q s k) = / INR K).
    { rewrite (expect_ext N pi _ (fun s => (1 - c / sigma) * residual Y (fun _ => uniform K) s k + / INR K)).
      - rewrite expect_plus, expect_scal, label_mean, expect_const by (auto; apply law). ring.
      - intros s _. unfold q, residual, uniform. ring. }
    lra. }
  split; [| split; [| exact HB]].
  - intros k l Hk Hl. set (g := (sigma / c - 1) * lambda_H).
    set (D := fun l => dot d (W k) (W l) - simplex_gram K g k l).
    enough (E : D l = 0) by (unfold D in E; lra).
    apply (moment_kernel N K pi (residual Y q) (lambda_W * lambda_H) D); auto.
    + now apply Rmult_lt_0_compat.
    + exact squared_moment.
    + unfold D. rewrite sum_minus, (zero_columns_rows K d W k Col), (simplex_gram_rows K g HK k Hk). ring.
    + intros s Hs.
      assert (S0 : sum K (residual Y q s) = 0).
      { rewrite (sum_ext K _ (fun k => c / sigma * (Y s k - uniform K k))) by (intros; apply r_form).
        rewrite sum_scal, sum_minus, (label_sum N K pi Y law s Hs), (proj2 (uniform_positive K HK)). ring. }
      unfold D. rewrite dot_minus_r, (dot_sym K _ (simplex_gram K g k)).
      change (dot K (simplex_gram K g k) (residual Y q s)) with (apply K (simplex_gram K g) (residual Y q s) k).
      rewrite simplex_gram_apply by auto.
      assert (E := HZ s k Hs Hk). rewrite HB in E by exact Hk.
      rewrite (mul_ext d W (h s) (fun j => / lambda_H * tmul K W (residual Y q s) j)) in E
        by (intros j Hj; rewrite HF by auto; field; lra).
      rewrite mul_scal, mul_tmul in E.
      assert (T : dot K (residual Y q s) (fun l => dot d (W k) (W l)) = lambda_H * (q s k - / INR K)).
      { rewrite dot_sym. unfold dot at 1. replace (q s k) with
          (/ lambda_H * sum K (fun l => dot d (W k) (W l) * residual Y q s l) + / INR K) by lra.
        field. lra. }
      rewrite T, r_form. unfold q, g, residual, uniform. field. lra.
  - intros s k Hs Hk. assert (E := HZ s k Hs Hk). rewrite HB in E by exact Hk.
    unfold q, uniform in E. replace (mul d W (h s) k) with (Y s k - c / sigma * (Y s k - / INR K) - / INR K) by lra. ring.
Qed.
End Squared.
