(** The simplex ETF: K rows in d >= K - 1 dimensions with W transpose(W) = g Pi, built column by column. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design.
Open Scope R_scope.

(** g Pi = g (I - 11'/K): rows of squared length g (K-1)/K, of equal angles, of sum zero. *)
Definition simplex_gram (K : nat) (g : R) (k l : nat) : R := g * (delta k l - / INR K).

(** Helmert's column j: j + 1 equal entries, then one that makes the sum zero, in units of 1/sqrt((j+1)(j+2)). *)
Definition helmert (j k : nat) : R :=
  if Nat.leb k j then 1 else if Nat.eqb k (S j) then - INR (S j) else 0.

Definition helmert_scale (j : nat) : R := sqrt (/ (INR (S j) * INR (S (S j)))).

Lemma helmert_scale_sq j : helmert_scale j * helmert_scale j = / (INR (S j) * INR (S (S j))).
Proof.
  apply sqrt_sqrt, Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; apply lt_0_INR; lia.
Qed.

Lemma helmert_low j k : (k <= j)%nat -> helmert j k = 1.
Proof. intros H. unfold helmert. apply Nat.leb_le in H. now rewrite H. Qed.

Lemma helmert_next j : helmert j (S j) = - INR (S j).
Proof.
  unfold helmert. assert (H : Nat.leb (S j) j = false) by (apply Nat.leb_gt; lia).
  now rewrite H, Nat.eqb_refl.
Qed.

Lemma helmert_high j k : (S j < k)%nat -> helmert j k = 0.
Proof.
  intros L. unfold helmert. assert (H : Nat.leb k j = false) by (apply Nat.leb_gt; lia).
  assert (E : Nat.eqb k (S j) = false) by (apply Nat.eqb_neq; lia). now rewrite H, E.
Qed.

Lemma helmert_gram n : forall k l, (k <= n)%nat -> (l <= n)%nat ->
  sum n (fun j => helmert_scale j * helmert_scale j * (helmert j k * helmert j l)) = delta k l - / INR (S n).
Proof.
  induction n as [| n IH]; intros k l Hk Hl.
  - replace k with 0%nat by lia. replace l with 0%nat by lia. rewrite delta_same. simpl. field.
  - assert (P1 : 0 < INR (S n)) by (apply lt_0_INR; lia).
    assert (P2 : INR (S (S n)) = INR (S n) + 1) by now rewrite (S_INR (S n)).
    assert (Z : forall i, sum n (fun j => helmert_scale j * helmert_scale j * (helmert j (S n) * helmert j i)) = 0).
    { intros i. apply sum_zero. intros j Hj. rewrite (helmert_high j (S n)) by lia. ring. }
    assert (Z' : forall i, sum n (fun j => helmert_scale j * helmert_scale j * (helmert j i * helmert j (S n))) = 0).
    { intros i. rewrite <- (Z i). apply sum_ext. intros. ring. }
    cbn [sum]. rewrite helmert_scale_sq.
    destruct (Nat.eq_dec k (S n)) as [-> | Dk]; destruct (Nat.eq_dec l (S n)) as [-> | Dl].
    + rewrite Z, !helmert_next, delta_same, P2. field. lra.
    + rewrite Z, helmert_next, (helmert_low n l), (delta_other (S n) l), P2 by lia. field. lra.
    + rewrite Z', helmert_next, (helmert_low n k), (delta_other k (S n)), P2 by lia. field. lra.
    + rewrite IH, (helmert_low n k), (helmert_low n l), P2 by lia. field. lra.
Qed.

(** The classifier: Helmert's columns times sqrt g, then zeros. *)
Definition simplex_frame (K : nat) (g : R) (k j : nat) : R :=
  if Nat.ltb j (pred K) then sqrt g * helmert_scale j * helmert j k else 0.

Lemma sum_prefix m n f :
  (m <= n)%nat -> (forall j, (m <= j < n)%nat -> f j = 0) -> sum n f = sum m f.
Proof.
  intros L Z. induction n as [| n IH]; [now replace m with 0%nat by lia |].
  destruct (Nat.eq_dec m (S n)) as [-> | D]; [reflexivity |].
  simpl. rewrite (Z n), IH by (try lia; intros; apply Z; lia). ring.
Qed.

Theorem simplex_frame_gram K d g :
  (0 < K)%nat -> (pred K <= d)%nat -> 0 <= g -> gram_is K d (simplex_frame K g) (simplex_gram K g).
Proof.
  intros HK Hd Hg k l Hk Hl. unfold dot, simplex_gram.
  rewrite (sum_prefix (pred K) d) by
    (auto; intros j Hj; unfold simplex_frame;
     replace (Nat.ltb j (pred K)) with false by (symmetry; apply Nat.ltb_ge; lia); ring).
  rewrite (sum_ext _ _ (fun j => g * (helmert_scale j * helmert_scale j * (helmert j k * helmert j l)))).
  - rewrite sum_scal, helmert_gram by lia. now replace (S (pred K)) with K by lia.
  - intros j Hj. unfold simplex_frame.
    replace (Nat.ltb j (pred K)) with true by (symmetry; apply Nat.ltb_lt; lia).
    rewrite <- (sqrt_sqrt g Hg) at 3. ring.
Qed.

(** ** What the Gram matrix does *)

Lemma simplex_gram_rows K g : (0 < K)%nat -> zero_rows K (simplex_gram K g).
Proof.
  intros HK k Hk. assert (P : 0 < INR K) by now apply lt_0_INR.
  unfold simplex_gram. rewrite sum_scal, sum_minus, sum_delta_one, sum_const by auto. field. lra.
Qed.

Lemma simplex_gram_columns K g l : (0 < K)%nat -> (l < K)%nat -> sum K (fun k => simplex_gram K g k l) = 0.
Proof.
  intros HK Hl. rewrite <- (simplex_gram_rows K g HK l Hl). apply sum_ext. intros k _.
  unfold simplex_gram. now rewrite delta_sym.
Qed.

(** On vectors of sum zero it is multiplication by g. *)
Lemma simplex_gram_apply K g v k :
  (k < K)%nat -> sum K v = 0 -> apply K (simplex_gram K g) v k = g * v k.
Proof.
  intros Hk S. unfold apply.
  change (simplex_gram K g k) with (fun l => g * centred K k l).
  rewrite dot_scal_l, dot_centred, S by auto. unfold Rdiv. ring.
Qed.

(** Length of a row, m^2 = g (K-1)/K; cosine of two rows, -1/(K-1). *)
Lemma simplex_row_length K d W g k :
  (0 < K)%nat -> gram_is K d W (simplex_gram K g) -> (k < K)%nat -> sq d (W k) = g * (INR K - 1) / INR K.
Proof.
  intros HK HG Hk. assert (P : 0 < INR K) by now apply lt_0_INR.
  change (sq d (W k)) with (dot d (W k) (W k)). rewrite HG by auto.
  unfold simplex_gram. rewrite delta_same. field. lra.
Qed.

Lemma simplex_row_angle K d W g k l :
  (1 < K)%nat -> gram_is K d W (simplex_gram K g) -> (k < K)%nat -> (l < K)%nat -> l <> k ->
  dot d (W k) (W l) = - / (INR K - 1) * sq d (W k).
Proof.
  intros HK HG Hk Hl D. assert (P : 1 < INR K) by (apply (lt_INR 1); lia).
  rewrite (simplex_row_length K d W g k), HG by (auto; lia).
  unfold simplex_gram. rewrite delta_other by auto. field. lra.
Qed.

(** Against vectors of sum zero, transpose(W) stretches by sqrt g. *)
Lemma simplex_tmul_sq K d W g v :
  gram_is K d W (simplex_gram K g) -> sum K v = 0 -> sq d (tmul K W v) = g * sq K v.
Proof.
  intros HG S. change (sq d (tmul K W v)) with (dot d (tmul K W v) (tmul K W v)).
  rewrite <- dot_mul. unfold sq. rewrite <- sum_scal. apply sum_ext. intros k Hk.
  rewrite mul_tmul.
  rewrite (sum_ext K _ (fun l => simplex_gram K g k l * v l)) by (intros; now rewrite HG).
  change (sum K (fun l => simplex_gram K g k l * v l)) with (apply K (simplex_gram K g) v k).
  rewrite simplex_gram_apply by auto. ring.
Qed.

Lemma simplex_mul_tmul K d W g v k :
  gram_is K d W (simplex_gram K g) -> (k < K)%nat -> sum K v = 0 -> mul d W (tmul K W v) k = g * v k.
Proof.
  intros HG Hk S. rewrite mul_tmul.
  rewrite (sum_ext K _ (fun l => simplex_gram K g k l * v l)) by (intros; now rewrite HG).
  now apply simplex_gram_apply.
Qed.
