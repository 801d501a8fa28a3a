(** Softmax is Lipschitz with the constant 1/2, and what follows for small sharpness.

    Without a Hessian: log t >= 2 (t - 1)/(t + 1), so that the sum of two divergences is at least the square of the
    sum of |p - q|, which is at least 2 |p - q|^2. *)

Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From UFM Require Import Sums Entropy Convex Gap Answer Roots.
Open Scope R_scope.

Lemma ln_above_ratio t : 1 <= t -> 2 * (t - 1) <= (t + 1) * ln t.
Proof.
  intros [L | <-]; [| rewrite ln_1; lra].
  set (f := fun x => (x + 1) * ln x - 2 * (x - 1)).
  destruct (MVT_cor2 f (fun x => ln x + / x - 1) 1 t L) as (c & E & C0 & C1).
  - intros x Hx. apply is_derive_Reals. unfold f. auto_derive; [lra | field; lra].
  - unfold f in E. rewrite ln_1 in E.
    assert (T := ln_le_tangent (/ c) (Rinv_0_lt_compat c ltac:(lra))). rewrite ln_Rinv in T by lra.
    assert (0 <= (ln c + / c - 1) * (t - 1)) by (apply Rmult_le_pos; lra). lra.
Qed.

Lemma ln_ratio p q : 0 < p -> 0 < q -> 2 * ((p - q) * (p - q)) / (p + q) <= (ln p - ln q) * (p - q).
Proof.
  assert (S : forall p q, 0 < q -> q <= p -> 2 * ((p - q) * (p - q)) / (p + q) <= (ln p - ln q) * (p - q)).
  { clear. intros p q Q L.
    assert (T : 1 <= p / q).
    { apply Rmult_le_reg_r with q; [exact Q |]. replace (p / q * q) with p by (field; lra). lra. }
    assert (A := ln_above_ratio (p / q) T).
    assert (E : ln (p / q) = ln p - ln q) by (unfold Rdiv; rewrite ln_mult, ln_Rinv; try apply Rinv_0_lt_compat; lra).
    rewrite E in A.
    apply Rmult_le_reg_r with (p + q); [lra |].
    replace (2 * ((p - q) * (p - q)) / (p + q) * (p + q)) with (2 * (p / q - 1) * (q * (p - q))) by (field; lra).
    replace ((ln p - ln q) * (p - q) * (p + q)) with ((p / q + 1) * (ln p - ln q) * (q * (p - q))) by (field; lra).
    apply Rmult_le_compat_r; [apply Rmult_le_pos; lra | exact A]. }
  intros P Q. destruct (Rle_or_lt q p) as [L | L]; [now apply S |].
  assert (A := S q p P (Rlt_le _ _ L)).
  replace (2 * ((p - q) * (p - q)) / (p + q)) with (2 * ((q - p) * (q - p)) / (q + p)) by (field; lra).
  replace ((ln p - ln q) * (p - q)) with ((ln q - ln p) * (q - p)) by ring. exact A.
Qed.

Lemma sq_le_square n w : (forall k, (k < n)%nat -> 0 <= w k) -> sq n w <= sum n w * sum n w.
Proof.
  induction n as [| n IH]; intros P; [unfold sq; simpl; lra |].
  unfold sq in *. simpl. assert (0 <= sum n w) by (apply sum_nonneg; auto). assert (0 <= w n) by auto.
  assert (sum n (fun k => w k * w k) <= sum n w * sum n w) by auto. nra.
Qed.

(** For a vector of sum zero the sum of absolute values, squared, is at least twice the sum of squares. *)
Lemma twice_sq n v : sum n v = 0 -> 2 * sq n v <= sum n (fun k => Rabs (v k)) * sum n (fun k => Rabs (v k)).
Proof.
  intros Z. set (up := fun k => (Rabs (v k) + v k) / 2). set (down := fun k => (Rabs (v k) - v k) / 2).
  assert (A : forall k, Rabs (v k) = up k + down k) by (intros; unfold up, down; field).
  assert (PU : forall k, (k < n)%nat -> 0 <= up k).
  { intros k _. unfold up. assert (T := Rle_abs (- v k)). rewrite Rabs_Ropp in T. lra. }
  assert (PD : forall k, (k < n)%nat -> 0 <= down k) by (intros k _; unfold down; assert (T := Rle_abs (v k)); lra).
  assert (E : sum n up = sum n down).
  { assert (D : sum n (fun k => up k - down k) = 0).
    { rewrite <- Z. apply sum_ext. intros. unfold up, down. field. }
    rewrite sum_minus in D. lra. }
  assert (Q : sq n v = sq n up + sq n down).
  { unfold sq. rewrite <- sum_plus. apply sum_ext. intros k _. unfold up, down.
    assert (R : Rabs (v k) * Rabs (v k) = v k * v k) by (rewrite <- Rabs_mult, Rabs_pos_eq; nra).
    replace ((Rabs (v k) + v k) / 2 * ((Rabs (v k) + v k) / 2) + (Rabs (v k) - v k) / 2 * ((Rabs (v k) - v k) / 2))
      with ((Rabs (v k) * Rabs (v k) + v k * v k) / 2) by field. rewrite R. field. }
  rewrite (sum_ext n _ (fun k => up k + down k)) by auto. rewrite sum_plus, <- E, Q.
  assert (U := sq_le_square n up PU). assert (D := sq_le_square n down PD). rewrite <- E in D. lra.
Qed.

(** The sum of the two divergences of p and q is at least 2 |p - q|^2. *)
Theorem divergences_above_square K p q : positive K p -> positive K q ->
  2 * sq K (fun k => p k - q k) <= sum K (fun k => (ln (p k) - ln (q k)) * (p k - q k)).
Proof.
  intros [P SP] [Q SQ]. set (v := fun k => p k - q k).
  assert (S0 : sum K v = 0) by (unfold v; rewrite sum_minus, SP, SQ; ring).
  apply Rle_trans with (1 := twice_sq K v S0).
  set (root := fun k => sqrt (p k + q k)).
  assert (R2 : forall k, (k < K)%nat -> 0 < root k /\ root k * root k = p k + q k).
  { intros k Hk. assert (0 < p k) by auto. assert (0 < q k) by auto.
    split; [apply sqrt_lt_R0; lra | apply sqrt_sqrt; lra]. }
  assert (C := cauchy_schwarz K (fun k => Rabs (v k) / root k) root).
  assert (C1 : dot K (fun k => Rabs (v k) / root k) root = sum K (fun k => Rabs (v k))).
  { apply sum_ext. intros k Hk. destruct (R2 k Hk). field. lra. }
  assert (C2 : sq K root = 2).
  { unfold sq. rewrite (sum_ext K _ (fun k => p k + q k)) by (intros k Hk; apply R2, Hk).
    rewrite sum_plus, SP, SQ. ring. }
  rewrite C1, C2 in C. apply Rle_trans with (1 := C). rewrite Rmult_comm. unfold sq. rewrite <- sum_scal.
  apply sum_le. intros k Hk. destruct (R2 k Hk) as [RP RR].
  assert (L := ln_ratio (p k) (q k) (P k Hk) (Q k Hk)). fold (v k) in L.
  replace (2 * (Rabs (v k) / root k * (Rabs (v k) / root k))) with (2 * (v k * v k) / (p k + q k)); [exact L |].
  assert (AV : Rabs (v k) * Rabs (v k) = v k * v k) by (rewrite <- Rabs_mult, Rabs_pos_eq; nra).
  rewrite <- AV, <- RR. field. lra.
Qed.

Lemma norm_bound K v w c : 0 <= c -> c * sq K v <= dot K w v -> c * norm K v <= norm K w.
Proof.
  intros Hc H. assert (D := dot_le_norms K w v). rewrite <- norm_sq in H.
  assert (N := norm_nonneg K v). assert (M := norm_nonneg K w).
  destruct (Rle_lt_or_eq_dec 0 _ N) as [P | <-]; [| lra].
  apply Rmult_le_reg_r with (norm K v); [exact P |]. lra.
Qed.

Theorem softmax_lipschitz K z z' : (0 < K)%nat ->
  norm K (fun k => softmax K z k - softmax K z' k) <= / 2 * norm K (fun k => z k - z' k).
Proof.
  intros HK. set (v := fun k => softmax K z k - softmax K z' k). set (w := fun k => z k - z' k).
  enough (2 * norm K v <= norm K w) by lra.
  apply norm_bound; [lra |].
  apply Rle_trans with (1 := divergences_above_square K _ _ (softmax_positive K z HK) (softmax_positive K z' HK)).
  right. rewrite (sum_ext K _ (fun k => w k * v k - (lse K z - lse K z') * v k)).
  - rewrite sum_minus, sum_scal. unfold v at 2. rewrite sum_minus, !softmax_sum by exact HK. unfold dot. ring.
  - intros k _. rewrite !ln_softmax by exact HK. unfold w, v. ring.
Qed.

(** A label's distance from uniform is at most 1 + a/2 times the residual. *)
Theorem residual_lower K a y p : (0 < K)%nat -> 0 <= a -> answers K a y p ->
  norm K (fun k => y k - uniform K k) <= (1 + a / 2) * norm K (fun k => y k - p k).
Proof.
  intros HK Ha A. assert (U := uniform_positive K HK).
  set (u := fun k => y k - uniform K k). set (s := fun k => y k - p k). set (v := fun k => p k - uniform K k).
  assert (B : norm K v <= a / 2 * norm K s).
  { enough (2 * norm K v <= norm K (fun k => a * s k)).
    { assert (E : norm K (fun k => a * s k) = a * norm K s).
      { unfold norm. rewrite sq_scal, sqrt_mult, sqrt_square by (try apply sq_nonneg; nra). reflexivity. }
      lra. }
    apply norm_bound; [lra |].
    apply Rle_trans with (1 := divergences_above_square K p (uniform K) (proj1 A) U).
    destruct A as [P [t A]]. right.
    rewrite (sum_ext K _ (fun k => a * s k * v k - (t + ln (/ INR K)) * v k)).
    - rewrite sum_minus, sum_scal. unfold v at 2. rewrite sum_minus, (proj2 P), (proj2 U). unfold dot. ring.
    - intros k Hk. unfold s. rewrite (A k Hk). unfold v, uniform. ring. }
  assert (T : norm K u <= norm K s + norm K v).
  { assert (E : sq K u = sq K s + 2 * dot K s v + sq K v).
    { rewrite (sq_ext K u (fun k => s k + 1 * v k)) by (intros; unfold u, s, v; ring). rewrite sq_line. ring. }
    assert (D := dot_le_norms K s v).
    assert (NS := norm_nonneg K s). assert (NV := norm_nonneg K v). assert (NU := norm_nonneg K u).
    rewrite <- !norm_sq in E. nra. }
  lra.
Qed.

(** At small sharpness logits are nearly a (y - 1/K): |z - a (y - 1/K)| <= (a^2/2) |y - 1/K|. *)
Theorem affine_limit K a y p : (0 < K)%nat -> sum K y = 1 -> 0 < a -> answers K a y p ->
  norm K (fun k => a * (y k - p k) - a * (y k - uniform K k)) <= a * a / 2 * norm K (fun k => y k - uniform K k).
Proof.
  intros HK HY Pa A.
  assert (S : forall k, (k < K)%nat -> softmax K (fun l => a * (y l - p l)) k = p k)
    by (apply answers_softmax; [exact HK | apply A | exact A]).
  assert (L := softmax_lipschitz K (fun l => a * (y l - p l)) (fun _ => 0) HK).
  set (u := fun k => y k - uniform K k). set (s := fun k => y k - p k).
  assert (SC : forall c w, 0 <= c -> norm K (fun k => c * w k) = c * norm K w).
  { intros c w Hc. unfold norm. rewrite sq_scal, sqrt_mult, sqrt_square by (try apply sq_nonneg; nra). reflexivity. }
  assert (E1 : norm K (fun k => softmax K (fun l => a * (y l - p l)) k - softmax K (fun _ => 0) k)
               = norm K (fun k => p k - uniform K k)).
  { unfold norm. f_equal. apply sq_ext. intros k Hk. rewrite S by exact Hk. f_equal.
    now apply (softmax_constant K (fun _ => 0) 0). }
  assert (E2 : norm K (fun k => a * (y k - p k) - 0) = a * norm K s).
  { rewrite <- (SC a s) by lra. unfold norm. f_equal. apply sq_ext. intros. unfold s. ring. }
  rewrite E1, E2 in L.
  assert (E3 : norm K (fun k => a * (y k - p k) - a * (y k - uniform K k)) = a * norm K (fun k => p k - uniform K k)).
  { rewrite <- SC by lra. unfold norm. f_equal. unfold sq. apply sum_ext. intros. ring. }
  assert (AU : answers K 0 y (uniform K)).
  { split; [now apply uniform_positive |]. exists (- ln (/ INR K)). intros k _. unfold uniform. ring. }
  assert (F : norm K s <= norm K u).
  { apply sqrt_le_1_alt. apply (residual_falls K 0 a y (uniform K) p); auto; lra. }
  rewrite E3.
  apply Rle_trans with (a * (/ 2 * (a * norm K u))).
  - apply Rmult_le_compat_l; [lra |]. apply Rle_trans with (1 := L).
    apply Rmult_le_compat_l; [lra |]. apply Rmult_le_compat_l; lra.
  - right. fold u. field.
Qed.
