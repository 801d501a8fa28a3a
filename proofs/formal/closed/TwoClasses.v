(** K = 2: only the difference D of the two logits means anything, D = a (2 lambda - 1 - tanh(D/2)). *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design Answer Frame Forms Laws Pair.
Open Scope R_scope.

Definition difference_equation (a lambda D : R) : Prop := D = a * (2 * lambda - 1 - tanh (D / 2)).

Lemma tanh_half D : tanh (D / 2) = (exp (D / 2) - exp (- (D / 2))) / (exp (D / 2) + exp (- (D / 2))).
Proof.
  assert (P := exp_pos (D / 2)). assert (Q := exp_pos (- (D / 2))).
  unfold tanh, sinh, cosh. field. lra.
Qed.

Lemma odds u v e : 0 < u -> 0 < v -> 0 < e -> (u / v * e - e) / (u / v * e + e) = (u - v) / (u + v).
Proof.
  intros U V E. assert (0 < u * e + e * v) by (apply Rplus_lt_0_compat; now apply Rmult_lt_0_compat).
  field. repeat split; lra.
Qed.

Section TwoClasses.
Variables (d : nat) (W : nat -> nat -> R) (g ridge lambda : R).
Hypothesis simplex_W : gram_is 2 d W (simplex_gram 2 g).
Hypothesis positive_g : 0 < g.
Hypothesis positive_ridge : 0 < ridge.

Let a := g / ridge.
Let a_pos : 0 < a := sharpness_pos g ridge positive_g positive_ridge.
Let y := pair_label lambda 0 1.

Lemma difference_answer D : difference_equation a lambda D ->
  forall k, (k < 2)%nat ->
  a * (y k - softmax 2 (pair_logits (D / 2) (- (D / 2)) 0 1) k) = pair_logits (D / 2) (- (D / 2)) 0 1 k - 0.
Proof.
  intros E k Hk. unfold difference_equation in E. rewrite tanh_half in E.
  assert (P := exp_pos (D / 2)). assert (Q := exp_pos (- (D / 2))).
  unfold softmax. rewrite pair_esum by lia. unfold y, pair_label, pair_logits.
  replace (exp (D / 2) + exp (- (D / 2)) + INR 2 - 2) with (exp (D / 2) + exp (- (D / 2))) by (simpl; ring).
  destruct k as [| [| k]]; [| | lia]; unfold delta; simpl.
  - replace (D / 2 * 1 + - (D / 2) * 0) with (D / 2) by ring.
    set (u := exp (D / 2)) in *. set (v := exp (- (D / 2))) in *.
    transitivity (a * (2 * lambda - 1 - (u - v) / (u + v)) / 2); [field; lra | rewrite <- E; field].
  - replace (D / 2 * 0 + - (D / 2) * 1) with (- (D / 2)) by ring.
    set (u := exp (D / 2)) in *. set (v := exp (- (D / 2))) in *.
    transitivity (- (a * (2 * lambda - 1 - (u - v) / (u + v)) / 2)); [field; lra | rewrite <- E; field].
Qed.

Theorem two_class_optimum D : difference_equation a lambda D ->
  only_minimum d (ridge_loss 2 d W ridge y) (fun n => D / 2 / g * (W 0%nat n - W 1%nat n)).
Proof.
  intros E.
  apply (only_minimum_ext 2 d W ridge _ (fun n => tmul 2 W (pair_logits (D / 2) (- (D / 2)) 0 1) n / g)).
  - intros n _. unfold tmul, pair_logits, delta. simpl. field. lra.
  - apply (logits_optimum 2 d W g ridge ltac:(lia) simplex_W positive_g positive_ridge _ _ 0).
    + apply pair_label_sum; lia.
    + intros k Hk. now apply difference_answer.
Qed.

Theorem two_class_root : exists D, difference_equation a lambda D /\ forall D', difference_equation a lambda D' -> D' = D.
Proof.
  assert (U : forall D, difference_equation a lambda D ->
    answers 2 a y (softmax 2 (pair_logits (D / 2) (- (D / 2)) 0 1))
    /\ ln (softmax 2 (pair_logits (D / 2) (- (D / 2)) 0 1) 0) - ln (softmax 2 (pair_logits (D / 2) (- (D / 2)) 0 1) 1) = D).
  { intros D E. split.
    - split; [apply softmax_positive; lia |]. exists (lse 2 (pair_logits (D / 2) (- (D / 2)) 0 1)).
      intros k Hk. rewrite (difference_answer D E k Hk), ln_softmax by lia. ring.
    - rewrite !ln_softmax by lia. unfold pair_logits at 1 3, delta. simpl. field. }
  destruct (prediction_answers 2 a y ltac:(lia) (Rlt_le _ _ a_pos)) as [[P S] [t A]].
  set (p := prediction 2 a y) in *.
  set (D := ln (p 0%nat) - ln (p 1%nat)).
  assert (E : difference_equation a lambda D).
  { unfold difference_equation. rewrite tanh_half.
    assert (P0 := P 0%nat ltac:(lia)). assert (P1 := P 1%nat ltac:(lia)).
    assert (A0 := A 0%nat ltac:(lia)). assert (A1 := A 1%nat ltac:(lia)).
    simpl in S. unfold y, pair_label, delta in A0, A1. simpl in A0, A1.
    assert (T : exp (D / 2) = p 0%nat / p 1%nat * exp (- (D / 2))).
    { replace (p 0%nat / p 1%nat) with (exp D).
      - rewrite <- exp_plus. f_equal. field.
      - unfold D, Rminus. rewrite exp_plus, exp_Ropp, !exp_ln by auto. unfold Rdiv. reflexivity. }
    rewrite T, odds by (auto using exp_pos).
    replace (p 0%nat + p 1%nat) with 1 by lra. unfold D. lra. }
  exists D. split; [exact E |].
  intros D' E'. destruct (U D E) as [B C]. destruct (U D' E') as [B' C'].
  assert (Q := answer_unique 2 a y _ _ a_pos B' B).
  rewrite <- C, <- C', !Q by lia. reflexivity.
Qed.
End TwoClasses.
