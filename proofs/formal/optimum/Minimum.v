(** A continuous function of finitely many numbers that grows away from the origin has a minimum.

    The coordinates are found one after the other, each as a least upper bound; no sequence is chosen. *)

Require Import Reals Lra Lia Classical.
From UFM Require Import Sums.
Open Scope R_scope.

Definition near (n : nat) (e : R) (l x : nat -> R) : Prop := forall i, (i < n)%nat -> Rabs (x i - l i) <= e.

(** f is continuous at l, as a function of the first n coordinates. *)
Definition continuous_in (n : nat) (l : nat -> R) (f : (nat -> R) -> R) : Prop :=
  forall e, 0 < e -> exists t, 0 < t /\ forall x, near n t l x -> Rabs (f x - f l) <= e.

Lemma near_less n s t l x : s <= t -> near n s l x -> near n t l x.
Proof. intros L H i Hi. specialize (H i Hi). lra. Qed.

(** ** Continuous functions of coordinates *)

Section Continuous.
Variables (n : nat) (l : nat -> R).

Notation continuous f := (continuous_in n l f).

Lemma continuous_const c : continuous (fun _ => c).
Proof. intros e He. exists 1. split; [lra |]. intros x _. rewrite Rminus_diag_eq, Rabs_R0 by reflexivity. lra. Qed.

Lemma continuous_coordinate i : (i < n)%nat -> continuous (fun x => x i).
Proof. intros Hi e He. exists e. split; [exact He |]. intros x H. now apply H. Qed.

Lemma continuous_plus f g : continuous f -> continuous g -> continuous (fun x => f x + g x).
Proof.
  intros F G e He. destruct (F (e / 2) ltac:(lra)) as (s & Ps & S). destruct (G (e / 2) ltac:(lra)) as (t & Pt & T).
  exists (Rmin s t). split; [now apply Rmin_pos |]. intros x H.
  assert (A := S x (near_less n _ _ l x (Rmin_l s t) H)). assert (B := T x (near_less n _ _ l x (Rmin_r s t) H)).
  replace (f x + g x - (f l + g l)) with (f x - f l + (g x - g l)) by ring.
  eapply Rle_trans; [apply Rabs_triang |]. lra.
Qed.

(** A continuous function of one number, of a continuous function. *)
Lemma continuous_of f (g : R -> R) : continuity_pt g (f l) -> continuous f -> continuous (fun x => g (f x)).
Proof.
  intros G F e He. destruct (G e He) as (s & Ps & S). destruct (F (s / 2) ltac:(lra)) as (t & Pt & T).
  exists t. split; [exact Pt |]. intros x H. specialize (T x H).
  destruct (Req_dec (f x) (f l)) as [E | E].
  - rewrite E, Rminus_diag_eq, Rabs_R0 by reflexivity. lra.
  - apply Rlt_le. apply (S (f x)). split; [split; [exact I | auto] |].
    change (Rabs (f x - f l) < s). lra.
Qed.

Lemma continuous_scal c f : continuous f -> continuous (fun x => c * f x).
Proof. apply (continuous_of f (fun t => c * t)). reg. Qed.

Lemma continuous_mult f g : continuous f -> continuous g -> continuous (fun x => f x * g x).
Proof.
  intros F G.
  assert (Q : forall u, continuous u -> continuous (fun x => u x * u x)).
  { intros u. apply (continuous_of u (fun t => t * t)). reg. }
  assert (A := continuous_plus _ _ (continuous_scal (/ 2) _ (Q _ (continuous_plus f g F G)))
                 (continuous_plus _ _ (continuous_scal (- / 2) _ (Q f F)) (continuous_scal (- / 2) _ (Q g G)))).
  intros e He. destruct (A e He) as (t & Pt & T). exists t. split; [exact Pt |]. intros x H. specialize (T x H).
  eapply Rle_trans; [| exact T]. right. f_equal. field.
Qed.

Lemma continuous_sum m (f : nat -> (nat -> R) -> R) :
  (forall k, (k < m)%nat -> continuous (f k)) -> continuous (fun x => sum m (fun k => f k x)).
Proof.
  induction m as [| m IH]; intros H; cbn [sum]; [apply continuous_const |].
  apply (continuous_plus (fun x => sum m (fun k => f k x)) (f m)); [apply IH |]; auto.
Qed.
End Continuous.

(** ** A minimum *)

Section Minimum.
Variables (n : nat) (f : (nat -> R) -> R) (x0 : nat -> R) (B : R).
Hypothesis continuous_f : forall l, continuous_in n l f.
Hypothesis nonneg_f : forall x, 0 <= f x.
Hypothesis bounded : forall x, f x <= f x0 -> forall i, (i < n)%nat -> Rabs (x i) <= B.

Lemma infimum : exists m, (forall x, m <= f x) /\ forall e, 0 < e -> exists x, f x < m + e.
Proof.
  destruct (completeness (fun v => exists x, v = - f x)) as [M [U Lst]].
  - exists 0. intros v [x ->]. specialize (nonneg_f x). lra.
  - exists (- f x0). now exists x0.
  - exists (- M). split.
    + intros x. assert (- f x <= M) by (apply U; now exists x). lra.
    + intros e He. apply NNPP. intros NE.
      assert (M <= M - e); [| lra]. apply Lst. intros v [x ->].
      destruct (Rlt_or_le (f x) (- M + e)) as [G | G]; [exfalso; apply NE; now exists x | lra].
Qed.

Section Infimum.
Variable m : R.
Hypothesis below : forall x, m <= f x.
Hypothesis near_infimum : forall e, 0 < e -> exists x, f x < m + e.

(** Points of A come as close to the infimum as one likes. *)
Definition reaches (A : (nat -> R) -> Prop) : Prop := forall e, 0 < e -> exists x, A x /\ f x < m + e.

Let box (x : nat -> R) : Prop := forall i, (i < n)%nat -> Rabs (x i) <= B.

Lemma box_reaches : reaches box.
Proof.
  intros e He. destruct (near_infimum e He) as [x Hx].
  destruct (Rle_or_lt (f x) (f x0)) as [G | G].
  - exists x. split; [exact (bounded x G) | exact Hx].
  - exists x0. split; [exact (bounded x0 (Rle_refl _)) | lra].
Qed.

Lemma coordinates k : (k <= n)%nat ->
  exists l, forall e, 0 < e -> reaches (fun x => box x /\ near k e l x).
Proof.
  induction k as [| k IH]; intros Hk.
  { exists x0. intros e _ r Hr. destruct (box_reaches r Hr) as (x & X & V).
    exists x. split; [split; [exact X | intros i Hi; lia] | exact V]. }
  destruct (IH ltac:(lia)) as [l Hl].
  set (far := fun t => forall e, 0 < e -> reaches (fun x => box x /\ near k e l x /\ t <= x k)).
  destruct (completeness far) as [tau [U Lst]].
  { exists B. intros t Ht. destruct (Ht 1 ltac:(lra) 1 ltac:(lra)) as (x & (X & _ & T) & _).
    specialize (X k ltac:(lia)). assert (A := Rle_abs (x k)). lra. }
  { exists (- B). intros e He r Hr. destruct (Hl e He r Hr) as (x & (X & Q) & V).
    exists x. split; [split; [exact X | split; [exact Q |]] | exact V].
    specialize (X k ltac:(lia)). assert (A := Rle_abs (- x k)). rewrite Rabs_Ropp in A. lra. }
  exists (fun i => if Nat.eqb i k then tau else l i). intros e He.
  assert (NS : ~ far (tau + e)).
  { intros H. assert (tau + e <= tau) by now apply U. lra. }
  assert (Hi : exists e0 r0, 0 < e0 /\ 0 < r0 /\
    forall x, box x -> near k e0 l x -> tau + e <= x k -> m + r0 <= f x).
  { apply NNPP. intros NE. apply NS. intros e0 He0 r0 Hr0. apply NNPP. intros NX. apply NE.
    exists e0, r0. split; [exact He0 | split; [exact Hr0 |]]. intros x X Q T.
    destruct (Rle_or_lt (m + r0) (f x)) as [G | G]; [exact G | exfalso]. apply NX. now exists x. }
  assert (Lo : exists t, far t /\ tau - e < t).
  { apply NNPP. intros NE. assert (tau <= tau - e); [| lra]. apply Lst. intros t Ht.
    destruct (Rle_or_lt t (tau - e)) as [G | G]; [exact G | exfalso; apply NE; now exists t]. }
  destruct Hi as (e0 & r0 & He0 & Hr0 & Far). destruct Lo as (t & Ht & Lt). intros r Hr.
  destruct (Ht (Rmin e e0) (Rmin_pos _ _ He He0) (Rmin r r0) (Rmin_pos _ _ Hr Hr0)) as (x & (X & Q & T) & V).
  assert (R1 := Rmin_l r r0). assert (R2 := Rmin_r r r0).
  exists x. split; [split; [exact X |] | lra].
  assert (Up : x k < tau + e).
  { destruct (Rlt_or_le (x k) (tau + e)) as [G | G]; [exact G | exfalso].
    assert (m + r0 <= f x); [| lra]. apply Far; [exact X | apply (near_less k (Rmin e e0) e0); [apply Rmin_r | exact Q] | exact G]. }
  intros i Hi. destruct (Nat.eqb_spec i k) as [-> | D].
  - apply Rabs_le. lra.
  - assert (W := Q i ltac:(lia)). assert (R3 := Rmin_l e e0). lra.
Qed.

Lemma attained : exists l, forall x, f l <= f x.
Proof.
  destruct (coordinates n (le_n n)) as [l Hl]. exists l. intros x. apply Rle_trans with m; [| apply below].
  destruct (Rle_or_lt (f l) m) as [G | G]; [exact G | exfalso].
  destruct (continuous_f l ((f l - m) / 3) ltac:(lra)) as (t & Pt & T).
  destruct (Hl t Pt ((f l - m) / 3) ltac:(lra)) as (u & (_ & Q) & V). specialize (T u Q).
  assert (A := Rle_abs (- (f u - f l))). rewrite Rabs_Ropp in A. lra.
Qed.
End Infimum.

Lemma minimum_exists : exists l, forall x, f l <= f x.
Proof. destruct infimum as (m & A & E). exact (attained m A E). Qed.
End Minimum.
