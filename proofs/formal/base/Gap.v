(** The gap identity and weak duality, for any classifier, any features, any bias and any finite label law.

    A label law is a list of N soft labels [Y s] with weights [pi s]. Every label has a feature [h s] of its own. The
    objective is the average of cross-entropy and (lambda_H/2)|h|^2, plus (lambda_W/2) times the squared entries
    of W; without a bias, [b] is [no_bias]. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex.
Open Scope R_scope.

Definition expect (N : nat) (pi f : nat -> R) : R := sum N (fun s => pi s * f s).

Definition label_law (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R) : Prop :=
  (forall s, (s < N)%nat -> 0 < pi s) /\ sum N pi = 1 /\ (forall s, (s < N)%nat -> simplex K (Y s)).

Definition logits (d : nat) (W : nat -> nat -> R) (b h : nat -> R) (k : nat) : R := mul d W h k + b k.

Definition no_bias (k : nat) : R := 0.

Definition objective (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R)
    (W : nat -> nat -> R) (b : nat -> R) (h : nat -> nat -> R) : R :=
  expect N pi (fun s => CE K (logits d W b (h s)) (Y s) + lambda_H / 2 * sq d (h s))
  + lambda_W / 2 * sum K (fun k => sq d (W k)).

(** Column j of W, as a vector over classes. *)
Definition column (W : nat -> nat -> R) (j k : nat) : R := W k j.

(** The quadratic form of E r transpose(r) at v: the mean of <r, v>^2. *)
Definition moment (N K : nat) (pi : nat -> R) (r : nat -> nat -> R) (v : nat -> R) : R :=
  expect N pi (fun s => dot K (r s) v * dot K (r s) v).

Definition residual (Y q : nat -> nat -> R) (s k : nat) : R := Y s k - q s k.

(** q_s are probability vectors with E (Y - q) transpose(Y - q) below c^2 times the identity … *)
Definition feasible (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R) (c2 : R) (q : nat -> nat -> R) : Prop :=
  (forall s, (s < N)%nat -> simplex K (q s)) /\ (forall v, moment N K pi (residual Y q) v <= c2 * sq K v).

(** … and, where there is a free bias, E (Y - q) = 0. *)
Definition unbiased (N K : nat) (pi : nat -> R) (Y q : nat -> nat -> R) : Prop :=
  forall k, (k < K)%nat -> expect N pi (fun s => residual Y q s k) = 0.

(** ** Means *)

Lemma expect_ext N pi f g : (forall s, (s < N)%nat -> f s = g s) -> expect N pi f = expect N pi g.
Proof. intros E. apply sum_ext. intros s Hs. now rewrite E. Qed.

Lemma expect_plus N pi f g : expect N pi (fun s => f s + g s) = expect N pi f + expect N pi g.
Proof. unfold expect. sums N. Qed.

Lemma expect_minus N pi f g : expect N pi (fun s => f s - g s) = expect N pi f - expect N pi g.
Proof. unfold expect. sums N. Qed.

Lemma expect_scal N pi c f : expect N pi (fun s => c * f s) = c * expect N pi f.
Proof. unfold expect. sums N. Qed.

Lemma expect_const N pi c : sum N pi = 1 -> expect N pi (fun _ => c) = c.
Proof. intros T. unfold expect. rewrite sum_scal_r, T. ring. Qed.

Lemma expect_sum N pi n (f : nat -> nat -> R) :
  expect N pi (fun s => sum n (f s)) = sum n (fun k => expect N pi (fun s => f s k)).
Proof.
  unfold expect. rewrite <- sum_exchange. apply sum_ext. intros s _. now rewrite sum_scal.
Qed.

Lemma expect_dot N pi n (f : nat -> nat -> R) v :
  expect N pi (fun s => dot n (f s) v) = dot n (fun k => expect N pi (fun s => f s k)) v.
Proof.
  unfold dot. rewrite expect_sum. apply sum_ext. intros k _.
  unfold expect. rewrite <- sum_scal_r. apply sum_ext. intros. ring.
Qed.

(** Samples that share a feature count through the mean of their labels. *)
Theorem mean_label_loss N K pi Y z :
  expect N pi (fun s => CE K z (Y s)) = CE K z (fun k => expect N pi (fun s => Y s k)).
Proof.
  unfold CE. rewrite expect_sum. apply sum_ext. intros k _. unfold expect. rewrite <- sum_scal_r.
  apply sum_ext. intros. ring.
Qed.

Section Law.
Variables (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.

Lemma expect_nonneg f : (forall s, (s < N)%nat -> 0 <= f s) -> 0 <= expect N pi f.
Proof.
  destruct law as [P _]. intros H. apply sum_nonneg. intros s Hs.
  apply Rmult_le_pos; [apply Rlt_le |]; auto.
Qed.

Lemma expect_nonneg_zero f :
  (forall s, (s < N)%nat -> 0 <= f s) -> expect N pi f = 0 -> forall s, (s < N)%nat -> f s = 0.
Proof.
  destruct law as [P _]. intros H E s Hs.
  assert (Z : pi s * f s = 0).
  { apply (sum_nonneg_zero N (fun s => pi s * f s)); auto.
    intros t Ht. apply Rmult_le_pos; [apply Rlt_le |]; auto. }
  specialize (P s Hs). nra.
Qed.

Lemma label_sum s : (s < N)%nat -> sum K (Y s) = 1.
Proof. destruct law as (_ & _ & S). intros Hs. apply (S s Hs). Qed.

(** ** The gap identity *)

Variables (d : nat) (lambda_W lambda_H : R).
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).

Definition divergence_gap W b h q : R := expect N pi (fun s => KL K (q s) (softmax K (logits d W b (h s)))).

Definition feature_gap W h q : R :=
  expect N pi (fun s => sq d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H)).

(** The trace of transpose(W) (c^2 - E r transpose(r)) W, column by column. *)
Definition classifier_gap W q : R :=
  sum d (fun j => lambda_W * lambda_H * sq K (column W j) - moment N K pi (residual Y q) (column W j)).

Definition bias_gap b q : R := dot K b (fun k => expect N pi (fun s => residual Y q s k)).

Lemma sample_identity W b h q y :
  sum K y = 1 -> sum K q = 1 ->
  CE K (logits d W b h) y + lambda_H / 2 * sq d h
  = entropy K q + KL K q (softmax K (logits d W b h))
    + lambda_H / 2 * sq d (fun j => h j - tmul K W (fun k => y k - q k) j / lambda_H)
    - sq d (tmul K W (fun k => y k - q k)) / (2 * lambda_H)
    - dot K (fun k => y k - q k) b.
Proof.
  intros HY HQ. rewrite (fenchel K _ y q classes HY HQ).
  set (r := fun k => y k - q k). set (u := tmul K W r).
  assert (A : dot K (fun k => q k - y k) (logits d W b h) = - dot d u h - dot K r b).
  { unfold u. rewrite <- dot_mul.
    assert (E : forall n z, dot n (fun k => q k - y k) (fun k => z k + b k)
                            = - dot n (fun k => y k - q k) z - dot n (fun k => y k - q k) b)
      by (intros n z; sums n).
    apply (E K (mul d W h)). }
  rewrite A.
  assert (B : forall n, lambda_H / 2 * sq n (fun j => h j - u j / lambda_H)
                        = lambda_H / 2 * sq n h - dot n u h + sq n u / (2 * lambda_H)).
  { intros n. unfold sq, dot. induction n as [| n IH]; simpl; [field; lra |].
    rewrite Rmult_plus_distr_l, IH. field. lra. }
  rewrite (B d). ring.
Qed.

Lemma moment_columns W r :
  expect N pi (fun s => sq d (tmul K W (r s))) = sum d (fun j => moment N K pi r (column W j)).
Proof.
  unfold sq. rewrite expect_sum. apply sum_ext. intros j _. unfold moment.
  apply expect_ext. intros s _.
  assert (E : tmul K W (r s) j = dot K (r s) (column W j)).
  { apply sum_ext. intros. unfold column. ring. }
  now rewrite E.
Qed.

(** Objective less mean entropy, for ANY W, b, h, and any vectors q of sum one: a divergence, a square, what is left of
    the classifier's penalty, and the bias. *)
Theorem gap_identity W b h q :
  (forall s, (s < N)%nat -> sum K (q s) = 1) ->
  L W b h - expect N pi (fun s => entropy K (q s))
  = divergence_gap W b h q + lambda_H / 2 * feature_gap W h q
    + classifier_gap W q / (2 * lambda_H) - bias_gap b q.
Proof.
  intros Q. unfold objective, divergence_gap, feature_gap, classifier_gap, bias_gap.
  rewrite (expect_ext N pi _ (fun s =>
    entropy K (q s) + KL K (q s) (softmax K (logits d W b (h s)))
    + lambda_H / 2 * sq d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H)
    - / (2 * lambda_H) * sq d (tmul K W (residual Y q s))
    - dot K (residual Y q s) b)).
  2: { intros s Hs. rewrite (sample_identity W b (h s) (q s) (Y s)) by auto using label_sum.
       change (residual Y q s) with (fun k => Y s k - q s k). unfold Rdiv. ring. }
  rewrite !expect_minus, !expect_plus, !expect_scal, moment_columns, expect_dot, sum_minus, sum_scal.
  rewrite (dot_sym K b).
  assert (E : sum K (fun k => sq d (W k)) = sum d (fun j => sq K (column W j))) by apply sum_exchange.
  rewrite E. field. lra.
Qed.

(** ** Weak duality *)

Lemma divergence_gap_nonneg W b h q :
  (forall s, (s < N)%nat -> simplex K (q s)) -> 0 <= divergence_gap W b h q.
Proof. intros Q. apply expect_nonneg. intros. apply KL_nonneg; auto using softmax_positive. Qed.

Lemma feature_gap_nonneg W h q : 0 <= feature_gap W h q.
Proof. apply expect_nonneg. intros. apply sq_nonneg. Qed.

Lemma classifier_gap_terms W q :
  feasible N K pi Y (lambda_W * lambda_H) q -> forall j, (j < d)%nat ->
  0 <= lambda_W * lambda_H * sq K (column W j) - moment N K pi (residual Y q) (column W j).
Proof. intros [_ F] j _. specialize (F (column W j)). lra. Qed.

Lemma classifier_gap_nonneg W q : feasible N K pi Y (lambda_W * lambda_H) q -> 0 <= classifier_gap W q.
Proof. intros F. apply sum_nonneg. now apply classifier_gap_terms. Qed.

Lemma bias_gap_none q : bias_gap no_bias q = 0.
Proof. apply sum_zero. intros. unfold no_bias. ring. Qed.

Lemma bias_gap_unbiased b q : unbiased N K pi Y q -> bias_gap b q = 0.
Proof. intros U. apply sum_zero. intros k Hk. rewrite U; auto. ring. Qed.

Lemma feasible_sums q c2 : feasible N K pi Y c2 q -> forall s, (s < N)%nat -> sum K (q s) = 1.
Proof. intros [S _] s Hs. apply (S s Hs). Qed.

(** No classifier and no features cost less than the mean entropy of a feasible q. *)
Theorem weak_duality W b h q :
  feasible N K pi Y (lambda_W * lambda_H) q -> bias_gap b q = 0 ->
  expect N pi (fun s => entropy K (q s)) <= L W b h.
Proof.
  intros F Z. assert (G := gap_identity W b h q (feasible_sums q _ F)).
  assert (A := divergence_gap_nonneg W b h q (proj1 F)).
  assert (B := feature_gap_nonneg W h q).
  assert (C := classifier_gap_nonneg W q F).
  assert (0 <= classifier_gap W q / (2 * lambda_H))
    by (apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat]; lra).
  nra.
Qed.

Corollary weak_duality_no_bias W h q :
  feasible N K pi Y (lambda_W * lambda_H) q -> expect N pi (fun s => entropy K (q s)) <= L W no_bias h.
Proof. intros F. apply weak_duality; auto using bias_gap_none. Qed.

Corollary weak_duality_free_bias W b h q :
  feasible N K pi Y (lambda_W * lambda_H) q -> unbiased N K pi Y q ->
  expect N pi (fun s => entropy K (q s)) <= L W b h.
Proof. intros F U. apply weak_duality; auto using bias_gap_unbiased. Qed.

(** Where the bound is met every term vanishes: predictions, features and classifier are determined by q. *)
Theorem closed_gap W b h q :
  feasible N K pi Y (lambda_W * lambda_H) q -> bias_gap b q = 0 ->
  L W b h <= expect N pi (fun s => entropy K (q s)) ->
  (forall s k, (s < N)%nat -> (k < K)%nat -> softmax K (logits d W b (h s)) k = q s k)
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = tmul K W (residual Y q s) j / lambda_H)
  /\ (forall j, (j < d)%nat ->
      moment N K pi (residual Y q) (column W j) = lambda_W * lambda_H * sq K (column W j)).
Proof.
  intros F Z M. assert (G := gap_identity W b h q (feasible_sums q _ F)).
  assert (A := divergence_gap_nonneg W b h q (proj1 F)).
  assert (B := feature_gap_nonneg W h q).
  assert (C := classifier_gap_nonneg W q F).
  assert (CC : 0 <= classifier_gap W q / (2 * lambda_H))
    by (apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat]; lra).
  assert (A0 : divergence_gap W b h q = 0) by nra.
  assert (B0 : feature_gap W h q = 0) by nra.
  assert (C0 : classifier_gap W q = 0).
  { assert (E : classifier_gap W q / (2 * lambda_H) = 0) by nra.
    unfold Rdiv in E. apply Rmult_integral in E. destruct E as [E | E]; [exact E |].
    assert (/ (2 * lambda_H) <> 0) by (apply Rinv_neq_0_compat; lra). contradiction. }
  split; [| split].
  - intros s k Hs Hk. symmetry.
    apply (KL_zero K (q s) (softmax K (logits d W b (h s)))); auto using softmax_positive.
    + now apply (proj1 F).
    + apply (expect_nonneg_zero (fun s => KL K (q s) (softmax K (logits d W b (h s))))); auto.
      intros t Ht. apply KL_nonneg; [now apply (proj1 F) | now apply softmax_positive].
  - intros s j Hs Hj.
    enough (h s j - tmul K W (residual Y q s) j / lambda_H = 0) by lra.
    apply (sq_zero d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H)); auto.
    apply (expect_nonneg_zero (fun s => sq d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H))); auto.
    intros. apply sq_nonneg.
  - intros j Hj. enough (lambda_W * lambda_H * sq K (column W j)
      - moment N K pi (residual Y q) (column W j) = 0) by lra.
    apply (sum_nonneg_zero d (fun j => lambda_W * lambda_H * sq K (column W j)
      - moment N K pi (residual Y q) (column W j))); auto.
    now apply classifier_gap_terms.
Qed.

(** And where they vanish the bound is met. *)
Theorem met_bound W b h q :
  (forall s, (s < N)%nat -> sum K (q s) = 1) -> bias_gap b q = 0 ->
  (forall s k, (s < N)%nat -> (k < K)%nat -> softmax K (logits d W b (h s)) k = q s k) ->
  (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = tmul K W (residual Y q s) j / lambda_H) ->
  classifier_gap W q = 0 ->
  L W b h = expect N pi (fun s => entropy K (q s)).
Proof.
  intros Q Z P H C. assert (G := gap_identity W b h q Q).
  assert (A0 : divergence_gap W b h q = 0).
  { apply sum_zero. intros s Hs. rewrite KL_same; [ring |]. intros k Hk. symmetry. auto. }
  assert (B0 : feature_gap W h q = 0).
  { apply sum_zero. intros s Hs. rewrite (sq_ext d _ (fun _ => 0)).
    - unfold sq. rewrite sum_const. ring.
    - intros j Hj. rewrite H; auto. ring. }
  rewrite A0, B0, C, Z in G. unfold Rdiv in G. lra.
Qed.
End Law.
