(** The residual moment F(a) = E |y - p_a(y)|^2 of a label law, and its root: existence exactly below F(0), uniqueness.

    F falls and a^2 F(a) rises, so F is continuous; it is at least (1 - a)^2 F(0) and at most log K / a. *)

Require Import Reals Lra Lia.
From Coquelicot Require Rcomplements.
From UFM Require Import Sums Entropy Convex Gap Answer.
Open Scope R_scope.

(** ** The residual moment of a law, F(a) = E |y - p_a(y)|^2, and its root *)

Definition residual_moment (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R) (a : R) : R :=
  expect N pi (fun s => sq K (fun k => Y s k - prediction K a (Y s) k)).

Lemma squeeze A D f x y :
  0 < x -> 0 <= f -> 0 <= D -> x / 2 <= y -> A * (y * y) <= f * (D * (x + y)) -> A <= 8 * f / x * D.
Proof.
  intros Px Pf PD H M. assert (Py : 0 < y) by lra.
  assert (P : 0 < x * (y * y)) by (apply Rmult_lt_0_compat; [| apply Rmult_lt_0_compat]; lra).
  apply Rmult_le_reg_r with (x * (y * y)); [exact P |].
  replace (8 * f / x * D * (x * (y * y))) with (f * D * (8 * (y * y))) by (field; lra).
  replace (A * (x * (y * y))) with (A * (y * y) * x) by ring.
  apply Rle_trans with (f * D * ((x + y) * x)).
  - replace (f * D * ((x + y) * x)) with (f * (D * (x + y)) * x) by ring.
    apply Rmult_le_compat_r; lra.
  - apply Rmult_le_compat_l; [now apply Rmult_le_pos | nra].
Qed.

(** A function that falls while a^2 times it rises is continuous. *)
Lemma squeezed_continuous (f : R -> R) :
  (forall a, 0 < a -> 0 <= f a) ->
  (forall a b, 0 < a -> a < b -> f b <= f a) ->
  (forall a b, 0 < a -> a < b -> a * a * f a <= b * b * f b) ->
  forall x, 0 < x -> continuity_pt f x.
Proof.
  intros F0 F1 F2 x Px e He.
  set (c := 8 * f x / x + 1).
  assert (P0 := F0 x Px).
  assert (Q0 : 0 <= f x / x) by (apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat]; auto).
  assert (Pc : 0 < c) by (unfold c; lra).
  exists (Rmin (x / 2) (e / c)). split.
  { apply Rmin_pos; [lra | now apply Rdiv_lt_0_compat]. }
  intros y [_ D]. simpl in *. unfold R_dist in *.
  assert (D1 := Rlt_le_trans _ _ _ D (Rmin_l _ _)). assert (D2 := Rlt_le_trans _ _ _ D (Rmin_r _ _)).
  assert (B : Rabs (f y - f x) <= 8 * f x / x * Rabs (y - x)).
  { destruct (Rtotal_order x y) as [L | [<- | L]].
    - assert (M1 := F1 x y Px L). assert (M2 := F2 x y Px L).
      rewrite Rabs_left1, (Rabs_pos_eq (y - x)) by lra.
      apply squeeze with y; lra.
    - rewrite !Rminus_eq_0, Rabs_R0. lra.
    - assert (Py : 0 < y) by (rewrite Rabs_left in D1 by lra; lra).
      assert (HY : x / 2 <= y) by (rewrite Rabs_left in D1 by lra; lra).
      assert (M1 := F1 y x Py L). assert (M2 := F2 y x Py L).
      rewrite (Rabs_pos_eq (f y - f x)), (Rabs_left (y - x)) by lra.
      apply squeeze with y; lra. }
  apply Rle_lt_trans with (1 := B).
  apply Rle_lt_trans with (c * Rabs (y - x)).
  { apply Rmult_le_compat_r; [apply Rabs_pos | unfold c; lra]. }
  apply Rmult_lt_reg_l with (/ c); [now apply Rinv_0_lt_compat |].
  rewrite <- Rmult_assoc, Rinv_l, Rmult_1_l by lra. unfold Rdiv in D2. lra.
Qed.

Section Root.
Variables (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.

Notation F := (residual_moment N K pi Y).

Lemma expect_le f g : (forall s, (s < N)%nat -> f s <= g s) -> expect N pi f <= expect N pi g.
Proof.
  destruct law as [P _]. intros H. apply sum_le. intros s Hs. apply Rmult_le_compat_l; [apply Rlt_le |]; auto.
Qed.

Lemma moment_falls a b : 0 <= a < b -> F b <= F a.
Proof.
  intros [Ha L]. apply expect_le. intros s Hs.
  apply (residual_falls K a b (Y s)); auto; apply prediction_answers; auto; lra.
Qed.

Lemma moment_rises a b : 0 <= a < b -> a * a * F a <= b * b * F b.
Proof.
  intros [Ha L]. unfold residual_moment. rewrite <- !expect_scal. apply expect_le. intros s Hs.
  apply (logits_rise K a b (Y s)); auto; apply prediction_answers; auto; lra.
Qed.

Lemma moment_nonneg a : 0 <= F a.
Proof. apply (expect_nonneg N K pi Y law). intros. apply sq_nonneg. Qed.

Theorem moment_continuous a : 0 < a -> continuity_pt F a.
Proof.
  apply squeezed_continuous.
  - intros. apply moment_nonneg.
  - intros x y P L. apply moment_falls. lra.
  - intros x y P L. apply moment_rises. lra.
Qed.

(** F falls, strictly unless it is zero. *)
Theorem moment_falls_strictly a b : 0 <= a < b -> F b <= F a /\ (F b = F a -> F a = 0).
Proof.
  intros R. split; [now apply moment_falls |]. destruct R as [Ha L]. intros E. destruct law as (P & S & LY).
  apply sum_zero. intros s Hs.
  assert (A := prediction_answers K a (Y s) classes Ha).
  assert (B := prediction_answers K b (Y s) classes ltac:(lra)).
  assert (T : sq K (fun k => Y s k - prediction K b (Y s) k) = sq K (fun k => Y s k - prediction K a (Y s) k)).
  { assert (W : pi s * sq K (fun k => Y s k - prediction K b (Y s) k)
                = pi s * sq K (fun k => Y s k - prediction K a (Y s) k)).
    { apply (sum_le_eq N (fun s => pi s * sq K (fun k => Y s k - prediction K b (Y s) k))
               (fun s => pi s * sq K (fun k => Y s k - prediction K a (Y s) k))); auto.
      intros i Hi. apply Rmult_le_compat_l; [apply Rlt_le; auto |].
      apply (residual_falls K a b (Y i)); auto; apply prediction_answers; auto; lra. }
    apply Rmult_eq_reg_l in W; auto. specialize (P s Hs). lra. }
  rewrite (residual_falls_strictly K a b (Y s) (prediction K a (Y s)) (prediction K b (Y s)) A B Ha
             (proj2 (LY s Hs)) L T). ring.
Qed.

Lemma moment_small b : 0 <= b <= 1 -> (1 - b) * (1 - b) * F 0 <= F b.
Proof.
  intros Hb. unfold residual_moment. rewrite <- expect_scal. apply expect_le. intros s Hs.
  rewrite (sq_ext K (fun k => Y s k - prediction K 0 (Y s) k) (fun k => Y s k - uniform K k)).
  - apply (residual_small K b (Y s)); auto. apply prediction_answers; auto. lra.
  - intros k _. unfold prediction. destruct (Rlt_dec 0 0) as [Pa | _]; [destruct (Rlt_irrefl 0 Pa) | reflexivity].
Qed.

Lemma moment_large a : 0 <= a -> a * F a <= ln (INR K).
Proof.
  intros Ha. unfold residual_moment. rewrite <- expect_scal.
  rewrite <- (expect_const N pi (ln (INR K))) by apply law. apply expect_le. intros s Hs.
  apply residual_large; auto; [now apply law | now apply prediction_answers].
Qed.

(** A level has a root above zero exactly if it lies below F(0), and then only one. *)
Theorem root_exists level : 0 < level -> level < F 0 -> exists a, 0 < a /\ F a = level.
Proof.
  intros P L.
  set (rho := level / F 0).
  assert (R1 : 0 < rho < 1).
  { unfold rho. split; [apply Rdiv_lt_0_compat; lra |].
    apply Rmult_lt_reg_r with (F 0); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  set (low := (1 - rho) / 4).
  assert (A : level < F low).
  { apply Rlt_le_trans with ((1 - low) * (1 - low) * F 0); [| apply moment_small; unfold low; lra].
    replace level with (rho * F 0) by (unfold rho; field; lra).
    apply Rmult_lt_compat_r; [lra |]. unfold low. nra. }
  set (high := Rmax 1 (2 * ln (INR K) / level + 1)).
  assert (H1 : 1 <= high) by apply Rmax_l. assert (H2 : 2 * ln (INR K) / level + 1 <= high) by apply Rmax_r.
  assert (B : F high < level).
  { assert (M := moment_large high ltac:(lra)).
    apply Rmult_lt_reg_l with high; [lra |].
    apply Rle_lt_trans with (1 := M).
    apply Rmult_le_compat_r with (r := level) in H2; [| lra].
    rewrite Rmult_plus_distr_r in H2. unfold Rdiv in H2. rewrite Rmult_assoc, Rinv_l in H2 by lra.
    assert (0 <= ln (INR K)).
    { rewrite <- ln_1. apply Rcomplements.ln_le; [lra |]. apply (le_INR 1). lia. }
    lra. }
  destruct (Ranalysis5.IVT_interv (fun a => level - F a) low high) as [a [Ha E]].
  - intros a [La _]. apply continuity_pt_minus; [apply continuity_pt_const; intros u v; reflexivity |].
    apply moment_continuous. unfold low in La. lra.
  - unfold low. lra.
  - simpl. lra.
  - simpl. lra.
  - exists a. split; [unfold low in Ha; lra | lra].
Qed.

Theorem root_unique level a b : 0 < level -> 0 <= a -> 0 <= b -> F a = level -> F b = level -> a = b.
Proof.
  intros P Ha Hb EA EB.
  destruct (Rtotal_order a b) as [L | [E | L]]; [exfalso | exact E | exfalso].
  - assert (Z := proj2 (moment_falls_strictly a b ltac:(lra)) ltac:(lra)). lra.
  - assert (Z := proj2 (moment_falls_strictly b a ltac:(lra)) ltac:(lra)). lra.
Qed.

Theorem root_iff level : 0 < level -> ((exists a, 0 < a /\ F a = level) <-> level < F 0).
Proof.
  intros P. split; [| now apply root_exists].
  intros [a [Pa E]]. assert (M := moment_falls 0 a ltac:(lra)).
  destruct M as [M | M]; [lra | exfalso].
  assert (Z := proj2 (moment_falls_strictly 0 a ltac:(lra)) M). lra.
Qed.
End Root.
