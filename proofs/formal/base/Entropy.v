(** Cross-entropy as an entropy, a product and a divergence: Fenchel's identity for log-sum-exp.

    [ln] of the library is total, with ln t = 0 for t <= 0; it is only ever multiplied by a probability or taken of
    a positive number, so that 0 log 0 = 0 and no statement gains from it. *)

Require Import Reals Lra Lia.
From Coquelicot Require Rcomplements.
From UFM Require Import Sums.
Open Scope R_scope.

Definition esum (K : nat) (z : nat -> R) : R := sum K (fun k => exp (z k)).
Definition lse (K : nat) (z : nat -> R) : R := ln (esum K z).
Definition softmax (K : nat) (z : nat -> R) (k : nat) : R := exp (z k) / esum K z.

(** Cross-entropy of logits z and a soft label y, entry by entry: - y_k log softmax(z)_k. *)
Definition CE (K : nat) (z y : nat -> R) : R := sum K (fun k => y k * (lse K z - z k)).
Definition entropy (K : nat) (q : nat -> R) : R := sum K (fun k => - (q k * ln (q k))).
Definition KL (K : nat) (q p : nat -> R) : R := sum K (fun k => q k * (ln (q k) - ln (p k))).

(** Probability vectors, and those without a zero. *)
Definition simplex (K : nat) (y : nat -> R) : Prop := (forall k, (k < K)%nat -> 0 <= y k) /\ sum K y = 1.
Definition positive (K : nat) (p : nat -> R) : Prop := (forall k, (k < K)%nat -> 0 < p k) /\ sum K p = 1.

Definition uniform (K : nat) (k : nat) : R := / INR K.

(** ** Softmax *)

Lemma esum_pos K z : (0 < K)%nat -> 0 < esum K z.
Proof. intros HK. apply sum_pos; auto. intros. apply exp_pos. Qed.

Lemma softmax_pos K z k : (0 < K)%nat -> 0 < softmax K z k.
Proof. intros HK. apply Rdiv_lt_0_compat; [apply exp_pos | now apply esum_pos]. Qed.

Lemma softmax_sum K z : (0 < K)%nat -> sum K (softmax K z) = 1.
Proof.
  intros HK. assert (P := esum_pos K z HK).
  unfold softmax, Rdiv. rewrite sum_scal_r. apply Rinv_r. lra.
Qed.

Lemma softmax_positive K z : (0 < K)%nat -> positive K (softmax K z).
Proof. split; [intros; now apply softmax_pos | now apply softmax_sum]. Qed.

Lemma positive_simplex K p : positive K p -> simplex K p.
Proof. intros [P S]. split; auto. intros. now apply Rlt_le, P. Qed.

Lemma ln_softmax K z k : (0 < K)%nat -> ln (softmax K z k) = z k - lse K z.
Proof.
  intros HK. assert (P := esum_pos K z HK). unfold softmax, lse, Rdiv.
  rewrite ln_mult, ln_Rinv, ln_exp; [ring | auto | apply exp_pos | now apply Rinv_0_lt_compat].
Qed.

Lemma softmax_ext K z z' k : (k < K)%nat -> (forall l, (l < K)%nat -> z l = z' l) -> softmax K z k = softmax K z' k.
Proof.
  intros Hk E. unfold softmax, esum. rewrite (E k Hk). f_equal.
  apply sum_ext. intros l Hl. now rewrite E.
Qed.

Lemma CE_ext K z z' y y' : (forall k, (k < K)%nat -> z k = z' k) -> (forall k, (k < K)%nat -> y k = y' k) ->
  CE K z y = CE K z' y'.
Proof.
  intros Ez Ey. unfold CE, lse, esum. rewrite (sum_ext K (fun k => exp (z k)) (fun k => exp (z' k))).
  - apply sum_ext. intros k Hk. now rewrite Ez, Ey.
  - intros k Hk. now rewrite Ez.
Qed.

(** Softmax forgets a common shift, and nothing else. *)
Lemma softmax_shift K z c k : (0 < K)%nat -> softmax K (fun l => z l + c) k = softmax K z k.
Proof.
  intros HK. assert (P := esum_pos K z HK). unfold softmax.
  assert (E : esum K (fun l => z l + c) = esum K z * exp c).
  { unfold esum. rewrite <- sum_scal_r. apply sum_ext. intros. apply exp_plus. }
  rewrite E, exp_plus. assert (0 < exp c) by apply exp_pos. field. lra.
Qed.

Lemma softmax_of_log K p z t :
  (0 < K)%nat -> positive K p -> (forall k, (k < K)%nat -> z k = ln (p k) + t) ->
  forall k, (k < K)%nat -> softmax K z k = p k.
Proof.
  intros HK [P S] E k Hk.
  rewrite (softmax_ext K z (fun l => ln (p l) + t) k Hk E), softmax_shift by auto.
  unfold softmax, esum.
  rewrite (sum_ext K _ p), S by (intros l Hl; apply exp_ln; auto).
  rewrite exp_ln by auto. field.
Qed.

Lemma softmax_log K z p k :
  (0 < K)%nat -> softmax K z k = p k -> z k = ln (p k) + lse K z.
Proof. intros HK E. rewrite <- E, ln_softmax by auto. ring. Qed.

Lemma uniform_positive K : (0 < K)%nat -> positive K (uniform K).
Proof.
  intros HK. assert (0 < INR K) by now apply lt_0_INR.
  split; [intros; now apply Rinv_0_lt_compat |].
  unfold uniform. rewrite sum_const. apply Rinv_r. lra.
Qed.

Lemma softmax_constant K z c :
  (0 < K)%nat -> (forall l, (l < K)%nat -> z l = c) -> forall k, (k < K)%nat -> softmax K z k = uniform K k.
Proof.
  intros HK E k Hk.
  apply (softmax_of_log K (uniform K) z (c - ln (/ INR K))); auto using uniform_positive.
  intros l Hl. unfold uniform. rewrite E; auto. ring.
Qed.

(** ** Tangents of the logarithm *)

Lemma ln_le_tangent t : 0 < t -> ln t <= t - 1.
Proof.
  intros Ht. destruct (Rle_or_lt (ln t) (t - 1)) as [H | H]; [exact H |].
  exfalso. assert (E := exp_ineq1_le (ln t)). rewrite exp_ln in E by auto. lra.
Qed.

Lemma ln_lt_tangent t : 0 < t -> t <> 1 -> ln t < t - 1.
Proof.
  intros Ht D.
  assert (N : ln t <> 0) by (intros E; apply D; rewrite <- (exp_ln t Ht), E; apply exp_0).
  assert (E := exp_ineq1 (ln t) N). rewrite exp_ln in E by auto. lra.
Qed.

(** Each term of a divergence, less the difference of its two probabilities, is not negative … *)
Lemma divergence_term q p : 0 <= q -> 0 < p -> q - p <= q * (ln q - ln p).
Proof.
  intros Hq Hp. destruct (Rle_lt_or_eq_dec 0 q Hq) as [P | <-]; [| lra].
  assert (T := ln_le_tangent (p / q) (Rdiv_lt_0_compat p q Hp P)).
  unfold Rdiv in T. rewrite ln_mult, ln_Rinv in T by (auto using Rinv_0_lt_compat).
  apply Rmult_le_compat_l with (r := q) in T; [| lra].
  replace (q * (p * / q - 1)) with (p - q) in T by (field; lra). lra.
Qed.

(** … and zero only where the two agree. *)
Lemma divergence_term_zero q p : 0 <= q -> 0 < p -> q * (ln q - ln p) = q - p -> q = p.
Proof.
  intros Hq Hp E. destruct (Rle_lt_or_eq_dec 0 q Hq) as [P | <-]; [| lra].
  destruct (Req_dec (p / q) 1) as [R | D].
  { apply Rmult_eq_compat_r with (r := q) in R. replace (p / q * q) with p in R by (field; lra). lra. }
  exfalso. assert (T := ln_lt_tangent (p / q) (Rdiv_lt_0_compat p q Hp P) D).
  unfold Rdiv in T. rewrite ln_mult, ln_Rinv in T by (auto using Rinv_0_lt_compat).
  apply Rmult_lt_compat_l with (r := q) in T; [| lra].
  replace (q * (p * / q - 1)) with (p - q) in T by (field; lra). lra.
Qed.

Lemma KL_nonneg K q p : simplex K q -> positive K p -> 0 <= KL K q p.
Proof.
  intros [Q SQ] [P SP].
  replace 0 with (sum K (fun k => q k - p k)) by (rewrite sum_minus; lra).
  apply sum_le. intros. apply divergence_term; auto.
Qed.

Lemma KL_zero K q p :
  simplex K q -> positive K p -> KL K q p = 0 -> forall k, (k < K)%nat -> q k = p k.
Proof.
  intros [Q SQ] [P SP] Z k Hk. apply divergence_term_zero; auto. symmetry.
  apply (sum_le_eq K (fun k => q k - p k) (fun k => q k * (ln (q k) - ln (p k)))); auto.
  - intros. apply divergence_term; auto.
  - rewrite sum_minus, SQ, SP. unfold KL in Z. lra.
Qed.

Lemma KL_same K p q : (forall k, (k < K)%nat -> q k = p k) -> KL K q p = 0.
Proof. intros E. apply sum_zero. intros k Hk. rewrite E; auto. ring. Qed.

(** ** Fenchel's identity *)

(** CE(z, y) = Entropy(q) + <q - y, z> + KL(q | softmax z), for every K and any y and q of sum one. *)
Theorem fenchel K z y q :
  (0 < K)%nat -> sum K y = 1 -> sum K q = 1 ->
  CE K z y = entropy K q + dot K (fun k => q k - y k) z + KL K q (softmax K z).
Proof.
  intros HK Y Q.
  assert (A : forall n c, sum n (fun k => y k * (c - z k))
    = sum n (fun k => - (q k * ln (q k))) + dot n (fun k => q k - y k) z
      + sum n (fun k => q k * (ln (q k) - (z k - c))) + c * (sum n y - sum n q)) by (intros n c; sums n).
  unfold CE. rewrite (A K (lse K z)), Y, Q.
  unfold entropy, KL.
  rewrite (sum_ext K (fun k => q k * (ln (q k) - ln (softmax K z k)))
                     (fun k => q k * (ln (q k) - (z k - lse K z)))).
  - ring.
  - intros k _. now rewrite ln_softmax.
Qed.

(** So cross-entropy is at least entropy plus product, … *)
Theorem fenchel_le K z y q :
  (0 < K)%nat -> sum K y = 1 -> simplex K q ->
  entropy K q + dot K (fun k => q k - y k) z <= CE K z y.
Proof.
  intros HK Y Q. rewrite (fenchel K z y q HK Y (proj2 Q)).
  assert (P := KL_nonneg K q (softmax K z) Q (softmax_positive K z HK)). lra.
Qed.

(** … with equality exactly at q = softmax z. *)
Theorem fenchel_equality K z y q :
  (0 < K)%nat -> sum K y = 1 -> simplex K q ->
  (CE K z y = entropy K q + dot K (fun k => q k - y k) z
   <-> forall k, (k < K)%nat -> q k = softmax K z k).
Proof.
  intros HK Y Q. rewrite (fenchel K z y q HK Y (proj2 Q)). split.
  - intros E. apply KL_zero; auto using softmax_positive. lra.
  - intros E. rewrite (KL_same K (softmax K z) q E). ring.
Qed.

(** CE(z', y) - CE(z, y) = <softmax z - y, z' - z> + KL(softmax z | softmax z'): the tangent, and what is above it. *)
Theorem CE_bregman K z z' y :
  (0 < K)%nat -> sum K y = 1 ->
  CE K z' y = CE K z y + dot K (fun k => softmax K z k - y k) (fun k => z' k - z k)
              + KL K (softmax K z) (softmax K z').
Proof.
  intros HK Y.
  rewrite (fenchel K z' y (softmax K z)), (fenchel K z y (softmax K z)) by auto using softmax_sum.
  rewrite (KL_same K (softmax K z) (softmax K z)) by auto.
  assert (E : forall n u, dot n u (fun k => z' k - z k) = dot n u z' - dot n u z) by (intros n u; sums n).
  rewrite E. ring.
Qed.

Lemma CE_nonneg K z y : simplex K y -> 0 <= CE K z y.
Proof.
  intros [P _]. apply sum_nonneg. intros k Hk. apply Rmult_le_pos; auto.
  enough (z k <= lse K z) by lra.
  rewrite <- (ln_exp (z k)). apply Rcomplements.ln_le; [apply exp_pos |].
  apply (sum_term_le K (fun k => exp (z k))); auto. intros. apply Rlt_le, exp_pos.
Qed.

(** No entropy exceeds that of the uniform vector, log K. *)
Lemma entropy_le K q : (0 < K)%nat -> simplex K q -> entropy K q <= ln (INR K).
Proof.
  intros HK Q. assert (P := KL_nonneg K q (uniform K) Q (uniform_positive K HK)).
  assert (E : forall n c, sum n (fun k => q k * (ln (q k) - c))
    = - sum n (fun k => - (q k * ln (q k))) - c * sum n q) by (intros n c; sums n).
  unfold KL, uniform in P. rewrite (E K), (proj2 Q), ln_Rinv in P by now apply lt_0_INR.
  unfold entropy. lra.
Qed.

Lemma entropy_uniform K : (0 < K)%nat -> entropy K (uniform K) = ln (INR K).
Proof.
  intros HK. assert (0 < INR K) by now apply lt_0_INR.
  unfold entropy, uniform. rewrite sum_const, ln_Rinv by auto. field. lra.
Qed.
