(** What a simplex ETF needs: K - 1 dimensions, and, to be critical, residuals whose second moment is c^2 Pi. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design Answer Roots Frame Exchange Trivial Joint Critical Lipschitz
  Descent Unused.
Open Scope R_scope.

(** W transpose(W) = g Pi with g > 0 has rank K - 1. *)
Theorem simplex_dimension K d W g : (0 < K)%nat -> 0 < g -> gram_is K d W (simplex_gram K g) -> (K - 1 <= d)%nat.
Proof.
  intros HK Pg HG. destruct (le_lt_dec (K - 1) d) as [H | H]; [exact H | exfalso].
  (* v of sum zero, orthogonal to all columns *)
  destruct (kernel_vector (S d) K (fun j k => if Nat.eqb j d then 1 else W k j)) as (v & V & O); [lia |].
  assert (S0 : sum K v = 0).
  { rewrite <- (O d) by lia. rewrite Nat.eqb_refl. apply sum_ext. intros. ring. }
  assert (T0 : forall j, (j < d)%nat -> tmul K W v j = 0).
  { intros j Hj. rewrite <- (O j) by lia. destruct (Nat.eqb_spec j d); [lia | reflexivity]. }
  assert (Z : dot K v (mul d W (tmul K W v)) = 0) by (rewrite dot_mul; now apply dot_zero_left).
  rewrite (dot_ext K v v _ (fun k => g * v k)) in Z by (auto; intros; now apply (simplex_mul_tmul K d W g)).
  rewrite dot_scal_r in Z. change (dot K v v) with (sq K v) in Z. nra.
Qed.

Section Needed.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis two_classes : (1 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Let classes : (0 < K)%nat := classes K two_classes.

Notation r := (point_residual K d Y no_bias).

(** Logits of a critical simplex ETF are z = (g/lambda_H) r, and E r transpose(r) = c^2 Pi. *)
Theorem simplex_critical W h g : 0 < g -> gram_is K d W (simplex_gram K g) ->
  critical N K d pi Y lambda_W lambda_H no_bias W h ->
  (forall s k, (s < N)%nat -> (k < K)%nat -> mul d W (h s) k = g / lambda_H * r W h s k)
  /\ centred_moment N K pi (r W h) (lambda_W * lambda_H).
Proof.
  intros Pg HG C. assert (PK : 0 < INR K) by (apply lt_0_INR; exact classes).
  assert (RS : forall s, (s < N)%nat -> sum K (r W h s) = 0)
    by (intros; now apply (point_residual_sum N K d pi Y no_bias classes law)).
  split.
  - intros s k Hs Hk.
    rewrite (mul_ext d W (h s) (fun j => / lambda_H * tmul K W (r W h s) j)).
    + rewrite mul_scal, (simplex_mul_tmul K d W g) by auto. field. lra.
    + intros j Hj. rewrite <- (proj1 C s j Hs Hj). field. lra.
  - intros v. set (m := sum K v / INR K). set (w := fun k => v k - m).
    assert (SW : sum K w = 0) by (unfold w, m; rewrite sum_minus, sum_const; field; lra).
    rewrite <- (moment_centred N K d pi Y no_bias classes law W h v m). fold w.
    rewrite (moment_in_range N K d pi Y lambda_W lambda_H no_bias W h (fun j => / g * tmul K W w j) w C).
    + unfold w. rewrite sq_minus. unfold dot, sq at 2. rewrite sum_scal_r, sum_const. unfold m. field. lra.
    + intros k Hk. rewrite mul_scal, (simplex_mul_tmul K d W g) by auto. field. lra.
Qed.

(** In fewer dimensions nothing reaches the value of the joint theorem. *)
Theorem too_few_dimensions a W b h : exchangeable N K pi Y ->
  0 < a -> F N K pi Y a = (INR K - 1) * (lambda_W * lambda_H) -> (d < K - 1)%nat ->
  joint_value N K pi Y a < objective N K d pi Y lambda_W lambda_H W b h.
Proof.
  intros X Pa Root Hd.
  destruct (Rlt_or_le (joint_value N K pi Y a) (objective N K d pi Y lambda_W lambda_H W b h)) as [G | G]; [exact G | exfalso].
  assert (D : gram_is K d W (simplex_gram K (a * lambda_H))).
  { now apply (meets_value N K d pi Y lambda_W lambda_H two_classes law positive_W positive_H X a Pa Root W b h). }
  assert (H := simplex_dimension K d W (a * lambda_H) classes ltac:(apply Rmult_lt_0_compat; lra) D). lia.
Qed.
End Needed.
