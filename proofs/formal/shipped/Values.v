(** Check values, with every digit proved.

    [interval] bounds exp and log at rational points. A root is bounded through its residual: [approximate_answer] turns a
    small residual into a small distance from p_a(y). *)

Require Import Reals Lra Lia.
From Interval Require Import Tactic.
From UFM Require Import Sums Entropy Convex Gap Answer Laws Forms Pair OneHot.
From UFM Require Shipped.
Open Scope R_scope.

(** Vectors that answer y up to an error e are within |e|/a of its answer. *)
Theorem approximate_answer K a y p q e t :
  0 < a -> answers K a y p -> positive K q ->
  (forall k, (k < K)%nat -> a * (y k - q k) = ln (q k) + t + e k) ->
  norm K (fun k => p k - q k) <= norm K e / a.
Proof.
  intros Pa [[P SP] [u A]] [Q SQ] E. set (v := fun k => p k - q k).
  assert (B : a * sq K v <= dot K e v).
  { assert (M : 0 <= sum K (fun k => (ln (p k) - ln (q k)) * v k))
      by (apply sum_nonneg; intros; apply ln_monotone; auto).
    assert (S0 : sum K v = 0) by (unfold v; rewrite sum_minus, SP, SQ; ring).
    assert (T : a * sq K v + sum K (fun k => (ln (p k) - ln (q k)) * v k) = dot K e v - (u - t) * sum K v).
    { unfold sq, dot. rewrite <- !sum_scal, <- sum_plus, <- sum_minus. apply sum_ext. intros k Hk.
      assert (A' := A k Hk). assert (E' := E k Hk). unfold v.
      replace (e k) with (a * (y k - q k) - ln (q k) - t) by lra.
      replace (ln (p k)) with (a * (y k - p k) - u) by lra. ring. }
    rewrite S0 in T. lra. }
  assert (D := dot_le_norms K e v). rewrite <- (norm_sq K v) in B.
  assert (N := norm_nonneg K v). assert (M := norm_nonneg K e).
  apply Rmult_le_reg_r with a; [exact Pa |]. replace (norm K e / a * a) with (norm K e) by (field; lra).
  destruct (Rle_lt_or_eq_dec 0 _ N) as [PV | <-]; [| lra].
  apply Rmult_le_reg_r with (norm K v); [exact PV | lra].
Qed.

Lemma entry_le_norm K v k : (k < K)%nat -> Rabs (v k) <= norm K v.
Proof.
  intros Hk. unfold norm. rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt.
  apply (sum_term_le K (fun i => v i * v i)); [intros; nra | exact Hk].
Qed.

Lemma norm_le_max K e b : 0 <= b -> (forall k, (k < K)%nat -> Rabs (e k) <= b) -> norm K e <= INR K * b.
Proof.
  intros Hb H. rewrite <- (sqrt_square (INR K * b)) by (apply Rmult_le_pos; [apply pos_INR | exact Hb]).
  apply sqrt_le_1_alt. apply Rle_trans with (sum K (fun _ => b * b)).
  - apply sum_le. intros k Hk. specialize (H k Hk).
    assert (T : Rabs (e k) * Rabs (e k) = e k * e k) by (rewrite <- Rabs_mult, Rabs_pos_eq; nra).
    assert (0 <= Rabs (e k)) by apply Rabs_pos. rewrite <- T. nra.
  - rewrite sum_const. destruct K as [| K]; [simpl; lra |].
    assert (1 <= INR (S K)) by (apply (le_INR 1); lia).
    assert (0 <= b * b) by nra. nra.
Qed.

(** K = 10, lambda = 3/10, a = 6197.719470182, the jointly optimal sharpness of the README's example to its digits:
    the probability of the first class, to 25 digits. *)
Definition example_a : R := 6197719470182 / 1000000000.
Definition example_x_i : R := 711432663720724766836439687640018 / 100000000000000000000000000000000.
Definition example_x_j : R := 796315537524924236181077536370903 / 100000000000000000000000000000000.

Theorem two_hot_probability :
  Rabs (prediction 10 example_a (pair_label (3 / 10) 0 1) 0
        - 2990953804116279309588914 / 10000000000000000000000000) <= 1 / 10 ^ 25.
Proof.
  set (y := pair_label (3 / 10) 0 1).
  set (x := pair_logits example_x_i example_x_j 0 1). set (q := softmax 10 x).
  set (o := (example_x_i + example_x_j) / 10).
  assert (Pa : 0 < example_a) by (unfold example_a; lra).
  assert (Z : esum 10 x = exp example_x_i + exp example_x_j + 8).
  { unfold x. rewrite pair_esum by lia. simpl. ring. }
  assert (Q0 : q 0%nat = exp example_x_i / (exp example_x_i + exp example_x_j + 8)).
  { unfold q, softmax. rewrite Z. unfold x, pair_logits, delta. simpl. do 2 f_equal. ring. }
  set (e := fun k => example_a * (y k - q k) - x k + o).
  assert (E : forall k, (k < 10)%nat -> Rabs (e k) <= 1 / 10 ^ 24).
  { intros k Hk. unfold e, q, softmax. rewrite Z. unfold y, x, o, pair_label, pair_logits.
    destruct (Nat.eq_dec k 0) as [-> | A]; [| destruct (Nat.eq_dec k 1) as [-> | B]].
    - unfold delta; simpl. replace (example_x_i * 1 + example_x_j * 0) with example_x_i by ring.
      unfold example_a, example_x_i, example_x_j. interval with (i_prec 160).
    - unfold delta; simpl. replace (example_x_i * 0 + example_x_j * 1) with example_x_j by ring.
      unfold example_a, example_x_i, example_x_j. interval with (i_prec 160).
    - rewrite !delta_other by auto. replace (example_x_i * 0 + example_x_j * 0) with 0 by ring. rewrite exp_0.
      unfold example_a, example_x_i, example_x_j. interval with (i_prec 160). }
  assert (D : norm 10 (fun k => prediction 10 example_a y k - q k) <= norm 10 e / example_a).
  { apply (approximate_answer 10 example_a y _ q e (lse 10 x - o)); [exact Pa | | |].
    - apply prediction_answers; [lia | lra].
    - apply softmax_positive. lia.
    - intros k _. unfold e, q. rewrite ln_softmax by lia. ring. }
  assert (M := norm_le_max 10 e (1 / 10 ^ 24) ltac:(lra) E).
  assert (V := entry_le_norm 10 (fun k => prediction 10 example_a y k - q k) 0 ltac:(lia)). cbv beta in V.
  assert (B : norm 10 e / example_a <= 2 / 10 ^ 27).
  { apply Rmult_le_reg_r with example_a; [exact Pa |].
    replace (norm 10 e / example_a * example_a) with (norm 10 e) by (field; lra).
    apply Rle_trans with (1 := M). unfold example_a. simpl. lra. }
  assert (C : Rabs (q 0%nat - 2990953804116279309588914 / 10000000000000000000000000) <= 9 / 10 ^ 26).
  { rewrite Q0. unfold example_x_i, example_x_j. interval with (i_prec 160). }
  replace (prediction 10 example_a y 0 - 2990953804116279309588914 / 10000000000000000000000000)
    with ((prediction 10 example_a y 0 - q 0%nat)
          + (q 0%nat - 2990953804116279309588914 / 10000000000000000000000000)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

(** One-hot labels, K = 10, lambda_W = lambda_H = 1/2000: the gap of the logits, to 25 digits. *)
Theorem onehot_gap_value :
  Rabs (onehot_gap 10 (1 / 2000) (1 / 2000) - 8750770967630461268810672 / 1000000000000000000000000) <= 1 / 10 ^ 24.
Proof. unfold onehot_gap. simpl INR. interval with (i_prec 120). Qed.

(** The shipped gap is the same number. *)
Theorem class_gap_value :
  Rabs (Shipped.class_gap 10 (Shipped.wrong_share 10 (1 / 2000) (1 / 2000) 0)
        - 8750770967630461268810672 / 1000000000000000000000000) <= 1 / 10 ^ 24.
Proof. unfold Shipped.class_gap, Shipped.wrong_share. interval with (i_prec 120). Qed.

(** The same-class root x (e^x + 9) = 10 a lies between these two numbers. *)
Theorem same_class_value : forall x, x * (exp x + 10 - 1) = 10 * example_a ->
  885253191409043641413650365 / 100000000000000000000000000 < x
  < 885253191409043641413650366 / 100000000000000000000000000.
Proof.
  intros x E.
  assert (I : forall u v, 0 < u -> u < v -> u * (exp u + 10 - 1) < v * (exp v + 10 - 1)).
  { intros u v Pu L. assert (exp u < exp v) by now apply exp_increasing. assert (U := exp_pos u). nra. }
  assert (Px : 0 < x).
  { destruct (Rlt_or_le 0 x) as [P | N]; [exact P | exfalso]. assert (U := exp_pos x).
    assert (0 < 10 * example_a) by (unfold example_a; lra). nra. }
  set (low := 885253191409043641413650365 / 100000000000000000000000000).
  set (high := 885253191409043641413650366 / 100000000000000000000000000).
  assert (A : low * (exp low + 10 - 1) < 10 * example_a) by (unfold low, example_a; interval with (i_prec 160)).
  assert (B : 10 * example_a < high * (exp high + 10 - 1)) by (unfold high, example_a; interval with (i_prec 160)).
  split.
  - destruct (Rlt_or_le low x) as [L | [L | L]]; [exact L | exfalso | exfalso].
    + assert (T := I x low Px L). lra.
    + rewrite L in E. lra.
  - destruct (Rlt_or_le x high) as [L | [L | L]]; [exact L | exfalso | exfalso].
    + assert (T := I high x ltac:(unfold high; lra) L). lra.
    + rewrite <- L in E. lra.
Qed.
