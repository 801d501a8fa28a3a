(** Wright's omega and the prediction p_a(y): existence and uniqueness, and how the residual moves with a.

    The optimal prediction for the soft label y at sharpness a = g/lambda_H is the probability vector p without a zero for
    which a (y - p) is log p up to a common shift. It exists for every a > 0, is unique, and depends continuously
    on a, because |y - p_a| falls and a |y - p_a| rises. *)

Require Import Reals Lra Lia.
From Coquelicot Require Rcomplements.
From UFM Require Import Sums Entropy Convex Gap.
Open Scope R_scope.

(** ** Wright's omega: u + log u = x *)

Lemma log_omega_exists x : { v | v + exp v = x }.
Proof.
  set (f := fun v => v + exp v - x).
  assert (C : continuity f) by (unfold f; reg).
  assert (P := exp_pos x).
  assert (A : f (x - exp x) < 0).
  { unfold f. assert (exp (x - exp x) < exp x) by (apply exp_increasing; lra). lra. }
  assert (B : 0 < f x) by (unfold f; lra).
  destruct (IVT f (x - exp x) x C) as [v [_ E]]; auto; [lra |].
  exists v. unfold f in E. lra.
Qed.

Definition log_omega (x : R) : R := proj1_sig (log_omega_exists x).
Definition omega (x : R) : R := exp (log_omega x).

Lemma log_omega_eq x : log_omega x + omega x = x.
Proof. unfold omega, log_omega. destruct (log_omega_exists x) as [v E]. exact E. Qed.

Lemma omega_pos x : 0 < omega x.
Proof. apply exp_pos. Qed.

Theorem omega_eq x : omega x + ln (omega x) = x.
Proof. unfold omega at 2. rewrite ln_exp. assert (E := log_omega_eq x). lra. Qed.

Lemma log_omega_le x y : x <= y -> 0 <= log_omega y - log_omega x <= y - x.
Proof.
  intros L. assert (A := log_omega_eq x). assert (B := log_omega_eq y). unfold omega in *.
  destruct (Rle_or_lt (log_omega x) (log_omega y)) as [H | H].
  - assert (exp (log_omega x) <= exp (log_omega y))
      by (destruct H as [H | <-]; [apply Rlt_le, exp_increasing; exact H | lra]). lra.
  - assert (exp (log_omega y) < exp (log_omega x)) by (apply exp_increasing; exact H). lra.
Qed.

Theorem omega_unique x u : 0 < u -> u + ln u = x -> u = omega x.
Proof.
  intros P E. assert (F := omega_eq x). assert (Q := omega_pos x).
  destruct (Rtotal_order u (omega x)) as [H | [H | H]]; [| exact H |].
  - assert (ln u < ln (omega x)) by now apply ln_increasing. lra.
  - assert (ln (omega x) < ln u) by now apply ln_increasing. lra.
Qed.

Lemma omega_le x y : x <= y -> omega x <= omega y.
Proof.
  intros L. unfold omega. assert (0 <= log_omega y - log_omega x <= y - x) by now apply log_omega_le.
  destruct (Rle_lt_or_eq_dec (log_omega x) (log_omega y)) as [G | ->]; [lra | | lra].
  apply Rlt_le, exp_increasing, G.
Qed.

Lemma log_omega_continuous : continuity log_omega.
Proof.
  intros x e He. exists e. split; [exact He |]. intros y [_ D].
  unfold dist in *; simpl in *. unfold R_dist in *.
  apply Rle_lt_trans with (Rabs (y - x)); [| exact D].
  destruct (Rle_or_lt x y) as [H | H].
  - assert (A := log_omega_le x y H). rewrite !Rabs_pos_eq; lra.
  - assert (A := log_omega_le y x (Rlt_le _ _ H)). rewrite !Rabs_left1; lra.
Qed.

Lemma omega_continuous : continuity omega.
Proof. apply (continuity_comp log_omega exp log_omega_continuous). apply derivable_continuous, derivable_exp. Qed.

Lemma continuity_sum n (f : nat -> R -> R) :
  (forall k, (k < n)%nat -> continuity (f k)) -> continuity (fun t => sum n (fun k => f k t)).
Proof.
  induction n as [| n IH]; intros H; simpl.
  - apply continuity_const. intros x y. reflexivity.
  - apply (continuity_plus (fun t => sum n (fun k => f k t)) (f n)); [apply IH |]; auto.
Qed.

(** ** The prediction p_a(y) *)

(** p answers y at sharpness a: a (y - p) = log p + constant. *)
Definition answers (K : nat) (a : R) (y p : nat -> R) : Prop :=
  positive K p /\ exists t, forall k, (k < K)%nat -> a * (y k - p k) = ln (p k) + t.

(** In the form in which it is computed: a p_k = omega(a y_k + t), where t makes the sum a. *)
Definition total (K : nat) (a : R) (y : nat -> R) (t : R) : R := sum K (fun k => omega (a * y k + t)).

Lemma inverse_omega u : 0 < u -> omega (u + ln u) = u.
Proof. intros P. symmetry. now apply omega_unique. Qed.

Lemma level_exists K a y : (0 < K)%nat -> 0 < a -> { t | total K a y t = a }.
Proof.
  intros HK Ha. assert (PK : 0 < INR K) by now apply lt_0_INR.
  set (m := sum K (fun k => Rabs (a * y k))).
  set (low := a / (2 * INR K)). set (high := 2 * a / INR K).
  assert (Pl : 0 < low) by (apply Rdiv_lt_0_compat; lra).
  assert (Ph : 0 < high) by (apply Rdiv_lt_0_compat; lra).
  assert (LH : low < high).
  { unfold low, high. apply Rmult_lt_reg_r with (2 * INR K); [lra |].
    replace (a / (2 * INR K) * (2 * INR K)) with a by (field; lra).
    replace (2 * a / INR K * (2 * INR K)) with (4 * a) by (field; lra). lra. }
  assert (LN : ln low < ln high) by now apply ln_increasing.
  assert (Pm : 0 <= m) by (apply sum_nonneg; intros; apply Rabs_pos).
  assert (B : forall k, (k < K)%nat -> - m <= a * y k <= m).
  { intros k Hk.
    assert (T : Rabs (a * y k) <= m)
      by (apply (sum_term_le K (fun k => Rabs (a * y k))); auto; intros; apply Rabs_pos).
    assert (U := Rle_abs (a * y k)). assert (V := Rle_abs (- (a * y k))). rewrite Rabs_Ropp in V. lra. }
  set (f := fun t => total K a y t - a).
  assert (C : continuity f).
  { apply continuity_minus; [| apply continuity_const; intros u v; reflexivity].
    apply continuity_sum. intros k _.
    apply (continuity_comp (fun t => a * y k + t) omega); [reg | apply omega_continuous]. }
  destruct (IVT f (low + ln low - m) (high + ln high + m) C) as [t [_ E]].
  - lra.
  - unfold f, total.
    assert (S : sum K (fun k => omega (a * y k + (low + ln low - m))) <= sum K (fun _ => low)).
    { apply sum_le. intros k Hk. rewrite <- (inverse_omega low Pl) at 3. apply omega_le.
      specialize (B k Hk). lra. }
    rewrite sum_const in S. replace (INR K * low) with (a / 2) in S by (unfold low; field; lra). lra.
  - unfold f, total.
    assert (S : sum K (fun _ => high) <= sum K (fun k => omega (a * y k + (high + ln high + m)))).
    { apply sum_le. intros k Hk. rewrite <- (inverse_omega high Ph) at 1. apply omega_le.
      specialize (B k Hk). lra. }
    rewrite sum_const in S. replace (INR K * high) with (2 * a) in S by (unfold high; field; lra). lra.
  - exists t. unfold f in E. lra.
Qed.

(** p_a(y); the uniform vector at a = 0. *)
Definition prediction (K : nat) (a : R) (y : nat -> R) (k : nat) : R :=
  match Rlt_dec 0 a, lt_dec 0 K with
  | left Ha, left HK => omega (a * y k + proj1_sig (level_exists K a y HK Ha)) / a
  | _, _ => uniform K k
  end.

Theorem prediction_answers K a y : (0 < K)%nat -> 0 <= a -> answers K a y (prediction K a y).
Proof.
  intros HK [Ha | <-]; unfold prediction, answers.
  - destruct (Rlt_dec 0 a) as [Pa | NP]; [| contradiction].
    destruct (lt_dec 0 K) as [PK | NP]; [| contradiction].
    destruct (level_exists K a y PK Pa) as [t E]. simpl. split; [split |].
    + intros k _. apply Rdiv_lt_0_compat; [apply omega_pos | exact Ha].
    + unfold Rdiv. rewrite sum_scal_r. unfold total in E. rewrite E. field. lra.
    + exists (ln a - t). intros k _.
      assert (O := omega_eq (a * y k + t)). assert (P := omega_pos (a * y k + t)).
      unfold Rdiv. rewrite ln_mult, ln_Rinv by (auto using Rinv_0_lt_compat).
      set (u := omega (a * y k + t)) in *.
      replace (a * (y k - u * / a)) with (a * y k - u) by (field; lra).
      replace (a * y k) with (u + ln u - t) by (rewrite O; ring). ring.
  - destruct (Rlt_dec 0 0) as [Pa | _]; [destruct (Rlt_irrefl 0 Pa) |]. split.
    + now apply uniform_positive.
    + exists (- ln (/ INR K)). intros k _. unfold uniform. ring.
Qed.

(** The two forms of the equation: through omega, and through logarithms. *)
Theorem answers_omega K a y p : 0 < a ->
  (answers K a y p <-> sum K p = 1 /\ exists t, forall k, (k < K)%nat -> a * p k = omega (a * y k + t)).
Proof.
  intros Pa. split.
  - intros [[P S] [t A]]. split; [exact S |]. exists (ln a - t). intros k Hk.
    apply omega_unique; [apply Rmult_lt_0_compat; auto |].
    rewrite ln_mult by auto. specialize (A k Hk). lra.
  - intros [S [t E]].
    assert (P : forall k, (k < K)%nat -> 0 < p k).
    { intros k Hk. apply Rmult_lt_reg_l with a; [exact Pa |]. rewrite Rmult_0_r, E by exact Hk. apply omega_pos. }
    split; [split; [exact P | exact S] |]. exists (ln a - t). intros k Hk.
    assert (O := omega_eq (a * y k + t)). rewrite <- E, ln_mult in O by auto. lra.
Qed.

(** ** Two answers to one label *)

Lemma ln_monotone p q : 0 < p -> 0 < q -> 0 <= (ln p - ln q) * (p - q).
Proof.
  intros P Q. destruct (Rtotal_order p q) as [H | [-> | H]].
  - assert (ln p < ln q) by now apply ln_increasing. nra.
  - lra.
  - assert (ln q < ln p) by now apply ln_increasing. nra.
Qed.

(** Logarithms of numbers up to one lie further apart than the numbers. *)
Lemma ln_expands p q : 0 < p <= 1 -> 0 < q <= 1 -> (p - q) * (p - q) <= (ln p - ln q) * (p - q).
Proof.
  enough (S : forall p q, 0 < p <= 1 -> 0 < q <= p -> (p - q) * (p - q) <= (ln p - ln q) * (p - q)).
  { intros P Q. destruct (Rle_or_lt q p) as [L | L]; [apply S; lra |].
    assert (H : 0 < p <= q) by lra. assert (A := S q p Q H).
    replace ((p - q) * (p - q)) with ((q - p) * (q - p)) by ring.
    replace ((ln p - ln q) * (p - q)) with ((ln q - ln p) * (q - p)) by ring. exact A. }
  clear p q. intros p q P Q. apply Rmult_le_compat_r; [lra |].
  assert (T := ln_le_tangent (q / p) (Rdiv_lt_0_compat q p ltac:(lra) ltac:(lra))).
  unfold Rdiv in T. rewrite ln_mult, ln_Rinv in T; try (try apply Rinv_0_lt_compat; lra).
  assert (I : (p - q) * 1 <= (p - q) * / p).
  { apply Rmult_le_compat_l; [lra |]. rewrite <- Rinv_1. apply Rinv_le_contravar; lra. }
  replace ((p - q) * / p) with (1 - q * / p) in I by (field; lra). lra.
Qed.

Lemma positive_le_one K p k : positive K p -> (k < K)%nat -> 0 < p k <= 1.
Proof.
  intros [P S] Hk. split; [auto |]. rewrite <- S. apply (sum_term_le K p); auto. intros. apply Rlt_le; auto.
Qed.

Section Two.
Variables (K : nat) (a b : R) (y p q : nat -> R).
Hypothesis answer_a : answers K a y p.
Hypothesis answer_b : answers K b y q.
Hypothesis nonneg_a : 0 <= a.
Hypothesis label : sum K y = 1.

Let r (k : nat) := y k - p k.
Let s (k : nat) := y k - q k.

Lemma logs_against t (x : nat -> R) :
  (forall k, (k < K)%nat -> a * r k - b * s k = x k + t) ->
  a * sq K r + b * sq K s + sum K (fun k => x k * (p k - q k)) = (a + b) * dot K r s.
Proof.
  intros E. destruct answer_a as [[_ SP] _]. destruct answer_b as [[_ SQ] _].
  assert (A : forall n, a * sq n r + b * sq n s + sum n (fun k => (a * r k - b * s k) * (p k - q k))
              = (a + b) * dot n r s).
  { intros n. unfold sq, dot, r, s. induction n as [| n IH]; simpl; [ring |]. lra. }
  rewrite <- (A K). f_equal.
  rewrite (sum_ext K (fun k => (a * r k - b * s k) * (p k - q k)) (fun k => x k * (p k - q k) + t * (p k - q k))).
  - rewrite sum_plus, sum_scal, sum_minus, SP, SQ. ring.
  - intros k Hk. rewrite E by auto. ring.
Qed.

(** The sum of the two divergences, written with residuals. *)
Theorem two_answers : a * sq K r + b * sq K s <= (a + b) * dot K r s.
Proof.
  destruct answer_a as [[P _] [t A]]. destruct answer_b as [[Q _] [u B]].
  rewrite <- (logs_against (t - u) (fun k => ln (p k) - ln (q k))).
  - assert (0 <= sum K (fun k => (ln (p k) - ln (q k)) * (p k - q k)))
      by (apply sum_nonneg; intros; apply ln_monotone; auto). lra.
  - intros k Hk. unfold r, s. rewrite A, B by auto. ring.
Qed.

Lemma two_answers_norms : 0 <= b ->
  a * (norm K r * norm K r) + b * (norm K s * norm K s) <= (a + b) * (norm K r * norm K s).
Proof.
  intros Hb. rewrite !norm_sq. assert (T := two_answers). assert (D := dot_le_norms K r s). nra.
Qed.

(** The residual falls with the sharpness, … *)
Theorem residual_falls : a < b -> sq K s <= sq K r.
Proof.
  intros L. assert (T := two_answers_norms ltac:(lra)).
  assert (R0 := norm_nonneg K r). assert (S0 := norm_nonneg K s).
  rewrite <- !norm_sq.
  assert (norm K s <= norm K r); [| nra].
  destruct (Rle_or_lt (norm K s) (norm K r)) as [H | H]; [exact H | exfalso].
  generalize dependent (norm K r). generalize dependent (norm K s). intros S S0 R T R0 H.
  assert (a * R <= a * S) by (apply Rmult_le_compat_l; lra).
  assert (a * S < b * S) by (apply Rmult_lt_compat_r; lra).
  assert (0 < (b * S - a * R) * (S - R)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

(** … and the logits a r rise. *)
Theorem logits_rise : a < b -> a * a * sq K r <= b * b * sq K s.
Proof.
  intros L. assert (T := two_answers_norms ltac:(lra)).
  assert (R0 := norm_nonneg K r). assert (S0 := norm_nonneg K s).
  assert (F := residual_falls L). rewrite <- !norm_sq in *.
  assert (SR : norm K s <= norm K r) by nra.
  assert (H : a * norm K r <= b * norm K s).
  { destruct (Rle_or_lt (a * norm K r) (b * norm K s)) as [H | H]; [exact H | exfalso].
    clear F. generalize dependent (norm K r). generalize dependent (norm K s). intros S S0 R T R0 SR H.
    destruct SR as [SR | ->]; [| assert (a * R <= b * R) by (apply Rmult_le_compat_r; lra); lra].
    assert (0 < (a * R - b * S) * (R - S)) by (apply Rmult_lt_0_compat; lra). lra. }
  assert (0 <= a * norm K r) by now apply Rmult_le_pos.
  replace (a * a * (norm K r * norm K r)) with ((a * norm K r) * (a * norm K r)) by ring.
  replace (b * b * (norm K s * norm K s)) with ((b * norm K s) * (b * norm K s)) by ring. nra.
Qed.

(** It falls strictly, unless it is zero. *)
Theorem residual_falls_strictly : a < b -> sq K s = sq K r -> sq K r = 0.
Proof.
  intros L E. assert (T := two_answers). rewrite E in T.
  assert (C := cauchy_schwarz K r s). rewrite E in C.
  assert (D : sq K r <= dot K r s) by (apply Rmult_le_reg_l with (a + b); lra).
  assert (M : sq K (fun k => r k - s k) <= 0) by (rewrite (sq_minus K r s), E; lra).
  assert (M0 : sq K (fun k => r k - s k) = 0) by (assert (0 <= sq K (fun k => r k - s k)) by apply sq_nonneg; lra).
  assert (PQ : forall k, (k < K)%nat -> r k = s k).
  { intros k Hk. assert (Z := sq_zero K _ M0 k Hk). simpl in Z. lra. }
  destruct answer_a as [[P SP] [t A]]. destruct answer_b as [[Q SQ] [u B]].
  assert (RC : forall k, (k < K)%nat -> (b - a) * r k = u - t).
  { intros k Hk. assert (A' := A k Hk). assert (B' := B k Hk). specialize (PQ k Hk).
    unfold r, s in *. replace (q k) with (p k) in * by lra. lra. }
  assert (RS : sum K (fun k => (b - a) * r k) = INR K * (u - t)) by (rewrite <- sum_const; now apply sum_ext).
  rewrite sum_scal in RS. unfold r in RS. rewrite sum_minus, label, SP in RS.
  apply sum_zero. intros k Hk.
  assert (PK : 0 < INR K) by (apply lt_0_INR; lia).
  assert (UT : u - t = 0) by nra.
  specialize (RC k Hk). rewrite UT in RC. assert (r k = 0) by nra. nra.
Qed.
End Two.

(** The answer is unique. *)
Theorem answer_unique K a y p q :
  0 < a -> answers K a y p -> answers K a y q -> forall k, (k < K)%nat -> p k = q k.
Proof.
  intros Ha P Q k Hk. assert (T := two_answers K a a y p q P Q).
  set (r := fun k => y k - p k) in *. set (s := fun k => y k - q k) in *.
  assert (M : sq K (fun k => r k - s k) <= 0) by (rewrite sq_minus; nra).
  assert (Z := sq_nonneg K (fun k => r k - s k)).
  assert (E := sq_zero K (fun k => r k - s k) ltac:(lra) k Hk). unfold r, s in E. lra.
Qed.

Lemma answers_ext K a y y' p : (forall k, (k < K)%nat -> y k = y' k) -> answers K a y p -> answers K a y' p.
Proof.
  intros E [P [t A]]. split; [exact P |]. exists t. intros k Hk. rewrite <- E by auto. auto.
Qed.

(** The equation for p, in the form of the logits: softmax (a (y - p)) = p. *)
Theorem answers_softmax K a y p :
  (0 < K)%nat -> positive K p ->
  (answers K a y p <-> forall k, (k < K)%nat -> softmax K (fun l => a * (y l - p l)) k = p k).
Proof.
  intros HK P. split.
  - intros [_ [t A]]. now apply (softmax_of_log K p _ t).
  - intros E. split; [exact P |]. exists (lse K (fun l => a * (y l - p l))).
    intros k Hk. exact (softmax_log K (fun l => a * (y l - p l)) p k HK (E k Hk)).
Qed.

(** ** The residual at small and at large sharpness *)

Theorem residual_small K b y q :
  (0 < K)%nat -> 0 <= b <= 1 -> answers K b y q ->
  (1 - b) * (1 - b) * sq K (fun k => y k - uniform K k) <= sq K (fun k => y k - q k).
Proof.
  intros HK Hb A.
  destruct (Rle_lt_or_eq_dec 0 b) as [Pb | <-]; [lra | |].
  2: { destruct A as [Q [t A]]. rewrite (sq_ext K _ (fun k => y k - q k)); [lra |].
       intros k Hk. f_equal.
       assert (Z : forall l, (l < K)%nat -> 0 = ln (q l) + t).
       { intros l Hl. specialize (A l Hl). rewrite Rmult_0_l in A. exact A. }
       rewrite <- (softmax_of_log K q (fun _ => 0) t HK Q Z k Hk).
       symmetry. now apply (softmax_constant K (fun _ => 0) 0). }
  assert (U := uniform_positive K HK).
  assert (AU : answers K 0 y (uniform K)).
  { split; [exact U |]. exists (- ln (/ INR K)). intros k _. unfold uniform. ring. }
  set (u := fun k => y k - uniform K k). set (s := fun k => y k - q k).
  set (v := fun k => q k - uniform K k).
  assert (F : sq K s <= sq K u) by (apply (residual_falls K 0 b y (uniform K) q); auto; lra).
  assert (G : sq K v <= b * dot K s v).
  { destruct A as [Q [t A]]. unfold dot. rewrite <- sum_scal.
    rewrite (sum_ext K _ (fun k => (ln (q k) - ln (uniform K k)) * v k + (t + ln (/ INR K)) * v k)).
    - rewrite sum_plus, sum_scal.
      assert (V : sum K v = 0) by (unfold v; rewrite sum_minus, (proj2 Q), (proj2 U); ring). rewrite V.
      assert (sq K v <= sum K (fun k => (ln (q k) - ln (uniform K k)) * v k)); [| lra].
      apply sum_le. intros k Hk. apply ln_expands; now apply (positive_le_one K).
    - intros k Hk. specialize (A k Hk). unfold s. rewrite <- Rmult_assoc, A. unfold uniform. ring. }
  assert (D := dot_le_norms K s v).
  assert (NS := norm_nonneg K s). assert (NV := norm_nonneg K v). assert (NU := norm_nonneg K u).
  rewrite <- (norm_sq K v) in G. rewrite <- (norm_sq K s), <- (norm_sq K u) in F.
  assert (SU : norm K s <= norm K u) by nra.
  assert (VS : norm K v <= b * norm K s).
  { destruct (Rle_lt_or_eq_dec 0 _ NV) as [PV | <-]; [| nra].
    apply Rmult_le_reg_r with (norm K v); [exact PV |]. nra. }
  assert (TRI : norm K u <= norm K s + norm K v).
  { assert (E : sq K u = sq K s + 2 * dot K s v + sq K v).
    { rewrite (sq_ext K u (fun k => s k + 1 * v k)) by (intros; unfold u, s, v; ring).
      rewrite sq_line. ring. }
    rewrite <- !norm_sq in E. nra. }
  assert (LOW : (1 - b) * norm K u <= norm K s) by nra.
  rewrite <- (norm_sq K s), <- (norm_sq K u).
  assert (0 <= (1 - b) * norm K u) by (apply Rmult_le_pos; lra). nra.
Qed.

Theorem residual_large K a y p :
  (0 < K)%nat -> simplex K y -> answers K a y p -> a * sq K (fun k => y k - p k) <= ln (INR K).
Proof.
  intros HK HY A. assert (P := proj1 A).
  set (z := fun k => a * (y k - p k)).
  assert (E := fenchel K z y p HK (proj2 HY) (proj2 P)).
  assert (S : forall k, (k < K)%nat -> softmax K z k = p k) by now apply answers_softmax.
  rewrite (KL_same K (softmax K z) p) in E by (intros; symmetry; auto).
  assert (C := CE_nonneg K z y HY).
  assert (H := entropy_le K p HK (positive_simplex K p P)).
  assert (D : forall n, dot n (fun k => p k - y k) z = - (a * sq n (fun k => y k - p k))).
  { intros n. unfold z. sums n. }
  rewrite D in E. lra.
Qed.

