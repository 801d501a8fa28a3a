(** Two different classes: the coefficients x_i, x_j of the optimum for lambda e_i + (1 - lambda) e_j. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design Answer Frame Forms Laws.
Open Scope R_scope.

(** The two equations, for one class and, with 1 - lambda, the other:
    x_i + ((x_i + x_j)/K)(e^{x_i} - 1) = a lambda. *)
Definition pair_equation (K : nat) (a lambda x_i x_j : R) : Prop :=
  x_i + (x_i + x_j) / INR K * (exp x_i - 1) = a * lambda.

Definition pair_solution (K : nat) (a lambda x_i x_j : R) : Prop :=
  pair_equation K a lambda x_i x_j /\ pair_equation K a (1 - lambda) x_j x_i.

(** Logits x_i at class i, x_j at class j, zero elsewhere. *)
Definition pair_logits (x_i x_j : R) (i j k : nat) : R := x_i * delta i k + x_j * delta j k.

Lemma pair_esum K x_i x_j i j : (i < K)%nat -> (j < K)%nat -> i <> j ->
  esum K (pair_logits x_i x_j i j) = exp x_i + exp x_j + INR K - 2.
Proof.
  intros Hi Hj D. unfold esum, pair_logits.
  rewrite (sum_ext K _ (fun k => delta i k * (exp x_i - 1) + delta j k * (exp x_j - 1) + 1)).
  - rewrite !sum_plus, sum_const, (sum_delta K i (fun _ => exp x_i - 1)), (sum_delta K j (fun _ => exp x_j - 1)) by auto.
    ring.
  - intros k _. destruct (Nat.eq_dec k i) as [-> | A]; [| destruct (Nat.eq_dec k j) as [-> | B]].
    + rewrite delta_same, delta_other by auto. replace (x_i * 1 + x_j * 0) with x_i by ring. ring.
    + rewrite delta_same, delta_other by auto. replace (x_i * 0 + x_j * 1) with x_j by ring. ring.
    + rewrite !delta_other by auto. replace (x_i * 0 + x_j * 0) with 0 by ring. rewrite exp_0. ring.
Qed.

(** A solution answers the label: a (y - softmax x) is x up to the shift (x_i + x_j)/K, for every K >= 2. *)
Lemma pair_logits_answer K a lambda x_i x_j i j :
  (1 < K)%nat -> 0 < a -> (i < K)%nat -> (j < K)%nat -> i <> j -> pair_solution K a lambda x_i x_j ->
  forall k, a * (pair_label lambda i j k - softmax K (pair_logits x_i x_j i j) k)
            = pair_logits x_i x_j i j k - (x_i + x_j) / INR K.
Proof.
  intros HK Pa Hi Hj D [E1 E2] k. unfold pair_equation in *.
  assert (PK : 2 <= INR K) by (apply (le_INR 2); lia).
  assert (P1 := exp_pos x_i). assert (P2 := exp_pos x_j).
  set (Z := exp x_i + exp x_j + INR K - 2). assert (PZ : 0 < Z) by (unfold Z; lra).
  assert (S : (x_i + x_j) / INR K * Z = a).
  { transitivity (x_i + (x_i + x_j) / INR K * (exp x_i - 1) + (x_j + (x_j + x_i) / INR K * (exp x_j - 1))).
    - unfold Z. field. lra.
    - rewrite E1, E2. ring. }
  assert (So : (x_i + x_j) / INR K = a / Z) by (rewrite <- S; field; lra).
  replace ((x_j + x_i) / INR K) with ((x_i + x_j) / INR K) in E2 by (field; lra). rewrite So in *.
  unfold softmax. rewrite pair_esum by auto. fold Z. unfold pair_label, pair_logits.
  destruct (Nat.eq_dec k i) as [-> | A]; [| destruct (Nat.eq_dec k j) as [-> | B]].
  - rewrite delta_same, delta_other by auto. replace (x_i * 1 + x_j * 0) with x_i by ring.
    replace (a * (lambda * 1 + (1 - lambda) * 0 - exp x_i / Z)) with (a * lambda - a / Z * exp x_i) by (field; lra).
    rewrite <- E1. ring.
  - rewrite delta_same, delta_other by auto. replace (x_i * 0 + x_j * 1) with x_j by ring.
    replace (a * (lambda * 0 + (1 - lambda) * 1 - exp x_j / Z)) with (a * (1 - lambda) - a / Z * exp x_j) by (field; lra).
    rewrite <- E2. ring.
  - rewrite !delta_other by auto. replace (x_i * 0 + x_j * 0) with 0 by ring. rewrite exp_0. field. lra.
Qed.

Section Pair.
Variables (K d : nat) (W : nat -> nat -> R) (g ridge lambda : R) (i j : nat).
Hypothesis simplex_W : gram_is K d W (simplex_gram K g).
Hypothesis positive_g : 0 < g.
Hypothesis positive_ridge : 0 < ridge.
Hypothesis class_i : (i < K)%nat.
Hypothesis class_j : (j < K)%nat.
Hypothesis different : i <> j.

Let a := g / ridge.
Let a_pos : 0 < a := sharpness_pos g ridge positive_g positive_ridge.

Lemma pair_label_sum : sum K (pair_label lambda i j) = 1.
Proof. unfold pair_label. rewrite sum_plus, !sum_scal, !sum_delta_one by auto. ring. Qed.

(** h = (x_i w_i + x_j w_j)/g is the only minimum. *)
Theorem pair_optimum x_i x_j : pair_solution K a lambda x_i x_j ->
  only_minimum d (ridge_loss K d W ridge (pair_label lambda i j)) (fun n => (x_i * W i n + x_j * W j n) / g).
Proof.
  intros E.
  apply (only_minimum_ext K d W ridge _ (fun n => tmul K W (pair_logits x_i x_j i j) n / g)).
  - intros n _. f_equal. unfold tmul, pair_logits.
    rewrite (sum_ext K _ (fun k => x_i * (delta i k * W k n) + x_j * (delta j k * W k n))) by (intros; ring).
    rewrite sum_plus, !sum_scal, !sum_delta by auto. reflexivity.
  - apply (logits_optimum K d W g ridge ltac:(lia) simplex_W positive_g positive_ridge _ _ ((x_i + x_j) / INR K)).
    + apply pair_label_sum.
    + intros k _. apply pair_logits_answer; auto. lia.
Qed.

Lemma pair_root_unique x_i x_j y_i y_j : (2 < K)%nat ->
  pair_solution K a lambda x_i x_j -> pair_solution K a lambda y_i y_j -> x_i = y_i /\ x_j = y_j.
Proof.
  intros HK X Y.
  assert (A : forall u v, pair_solution K a lambda u v ->
    answers K a (pair_label lambda i j) (softmax K (pair_logits u v i j))).
  { intros u v E. split; [apply softmax_positive; lia |].
    exists (lse K (pair_logits u v i j) - (u + v) / INR K). intros k Hk.
    rewrite (pair_logits_answer K a lambda u v i j), ln_softmax by (auto; lia). ring. }
  assert (E := answer_unique K a _ _ _ a_pos (A x_i x_j X) (A y_i y_j Y)).
  assert (O : exists o, (o < K)%nat /\ o <> i /\ o <> j).
  { destruct (Nat.eq_dec i 0), (Nat.eq_dec j 0), (Nat.eq_dec i 1), (Nat.eq_dec j 1); try lia;
      first [exists 0%nat; lia | exists 1%nat; lia | exists 2%nat; lia]. }
  destruct O as (o & Ho & Oi & Oj).
  assert (D : forall u v k, ln (softmax K (pair_logits u v i j) k) - ln (softmax K (pair_logits u v i j) o)
                            = pair_logits u v i j k).
  { intros u v k. rewrite !ln_softmax by lia. unfold pair_logits at 3. rewrite !delta_other by auto. ring. }
  split.
  - assert (X1 := D x_i x_j i). assert (Y1 := D y_i y_j i). rewrite !E in X1 by auto. rewrite Y1 in X1.
    unfold pair_logits in X1. rewrite delta_same, delta_other in X1 by auto. lra.
  - assert (X1 := D x_i x_j j). assert (Y1 := D y_i y_j j). rewrite !E in X1 by auto. rewrite Y1 in X1.
    unfold pair_logits in X1. rewrite delta_same, delta_other in X1 by auto. lra.
Qed.

(** The optimal prediction gives one probability to all other classes. *)
Theorem pair_others_equal k l : (k < K)%nat -> (l < K)%nat -> k <> i -> k <> j -> l <> i -> l <> j ->
  prediction K a (pair_label lambda i j) k = prediction K a (pair_label lambda i j) l.
Proof.
  intros Hk Hl Ki Kj Li Lj. set (y := pair_label lambda i j).
  destruct (prediction_answers K a y ltac:(lia) (Rlt_le _ _ a_pos)) as [[P S] [t A]].
  set (p := prediction K a y) in *.
  assert (Y0 : forall n, n <> i -> n <> j -> y n = 0).
  { intros n Ni Nj. unfold y, pair_label. rewrite !delta_other by auto. ring. }
  assert (B := A k Hk). assert (C := A l Hl). rewrite Y0 in B, C by auto.
  assert (M := ln_monotone (p k) (p l) (P k Hk) (P l Hl)).
  assert (E : ln (p k) - ln (p l) = - a * (p k - p l)) by lra. rewrite E in M.
  assert (N : 0 <= (p k - p l) * (p k - p l)) by apply Rle_0_sqr.
  assert (Z : (p k - p l) * (p k - p l) = 0).
  { apply Rmult_eq_reg_l with a; [| lra].
    assert (0 <= a * ((p k - p l) * (p k - p l))) by (apply Rmult_le_pos; lra). lra. }
  apply Rmult_integral in Z. lra.
Qed.

Lemma pair_root_exists : (2 < K)%nat -> exists x_i x_j, pair_solution K a lambda x_i x_j.
Proof.
  intros HK. set (y := pair_label lambda i j).
  destruct (prediction_answers K a y ltac:(lia) (Rlt_le _ _ a_pos)) as [[P S] [t A]].
  set (p := prediction K a y) in *.
  assert (O : exists o, (o < K)%nat /\ o <> i /\ o <> j).
  { destruct (Nat.eq_dec i 0), (Nat.eq_dec j 0), (Nat.eq_dec i 1), (Nat.eq_dec j 1); try lia;
      first [exists 0%nat; lia | exists 1%nat; lia | exists 2%nat; lia]. }
  destruct O as (o & Ho & Oi & Oj).
  assert (PK : 2 < INR K) by (apply (lt_INR 2); lia).
  assert (Y0 : forall k, k <> i -> k <> j -> y k = 0).
  { intros k Ki Kj. unfold y, pair_label. rewrite !delta_other by auto. ring. }
  assert (Q : forall k, (k < K)%nat -> k <> i -> k <> j -> p k = p o).
  { intros k Hk Ki Kj. now apply pair_others_equal. }
  set (x := fun k => ln (p k) - ln (p o)).
  assert (X : forall k, (k < K)%nat -> x k = x i * delta i k + x j * delta j k).
  { intros k Hk. destruct (Nat.eq_dec k i) as [-> | B]; [| destruct (Nat.eq_dec k j) as [-> | C]].
    - rewrite delta_same, delta_other by auto. ring.
    - rewrite delta_same, delta_other by auto. ring.
    - rewrite !delta_other by auto. unfold x. rewrite (Q k) by auto. ring. }
  assert (R : forall k, (k < K)%nat -> a * (y k - p k) = x k - a * p o).
  { intros k Hk. unfold x. assert (C := A o Ho). rewrite Y0 in C by auto. rewrite (A k Hk).
    replace (ln (p o)) with (- a * p o - t) by lra. ring. }
  assert (SX : x i + x j = INR K * (a * p o)).
  { assert (T : sum K (fun k => a * (y k - p k)) = sum K x - INR K * (a * p o)).
    { rewrite <- sum_const, <- sum_minus. now apply sum_ext. }
    rewrite sum_scal, sum_minus, S in T. unfold y in T. rewrite pair_label_sum in T.
    rewrite (sum_ext K x _ X), sum_plus, !sum_scal, !sum_delta_one in T by auto. lra. }
  assert (EX : forall k, (k < K)%nat -> p k = p o * exp (x k)).
  { intros k Hk. unfold x, Rminus. rewrite exp_plus, exp_Ropp, !exp_ln by auto. field.
    specialize (P o Ho). lra. }
  assert (F : forall k l, (k < K)%nat -> x k + x l = INR K * (a * p o) -> a * y k = x k + (x k + x l) / INR K * (exp (x k) - 1)).
  { intros k l Hk E. rewrite E. assert (B := R k Hk). rewrite (EX k Hk) in B.
    replace (INR K * (a * p o) / INR K) with (a * p o) by (field; lra). lra. }
  exists (x i), (x j). split; unfold pair_equation.
  - rewrite <- (F i j class_i SX). unfold y, pair_label. rewrite delta_same, delta_other by auto. ring.
  - rewrite <- (F j i class_j) by lra. unfold y, pair_label. rewrite delta_same, delta_other by auto. ring.
Qed.
(** The equations have exactly one solution where there is a third class. *)
Theorem pair_root : (2 < K)%nat -> exists x_i x_j, pair_solution K a lambda x_i x_j
  /\ forall y_i y_j, pair_solution K a lambda y_i y_j -> y_i = x_i /\ y_j = x_j.
Proof.
  intros HK. destruct (pair_root_exists HK) as (x_i & x_j & E). exists x_i, x_j. split; [exact E |].
  intros y_i y_j E'. now apply pair_root_unique.
Qed.
End Pair.
