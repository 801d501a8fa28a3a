(** Finite sums and vectors.

    A vector of n entries is a function [nat -> R] of which only the entries k < n are read, a matrix is a
    function of two indices. Nothing here is about learning: sums, Cauchy and Schwarz, exchanging two indices. *)

Require Import Reals Lra Lia.
Open Scope R_scope.

(** The sum of f k over k < n. It is an ordinary function of two arguments, so that every formula shows with
    its parentheses what is summed. *)
Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with
  | O => 0
  | S m => sum m f + f m
  end.

Definition dot (n : nat) (u v : nat -> R) : R := sum n (fun k => u k * v k).
Definition sq (n : nat) (u : nat -> R) : R := sum n (fun k => u k * u k).
Definition norm (n : nat) (u : nat -> R) : R := sqrt (sq n u).

(** Kronecker's delta. *)
Definition delta (i k : nat) : R := if Nat.eqb k i then 1 else 0.

(** An identity between sums of the same length, by induction on it. *)
Ltac sums n :=
  unfold dot, sq; let H := fresh in induction n as [| ? H]; simpl; [ring | rewrite H; ring].

Lemma sum_ext n f g : (forall k, (k < n)%nat -> f k = g k) -> sum n f = sum n g.
Proof.
  induction n as [| n IH]; simpl; intros H; [reflexivity |].
  rewrite IH, (H n); auto.
Qed.

Lemma sum_plus n f g : sum n (fun k => f k + g k) = sum n f + sum n g.
Proof. sums n. Qed.

Lemma sum_minus n f g : sum n (fun k => f k - g k) = sum n f - sum n g.
Proof. sums n. Qed.

Lemma sum_scal n c f : sum n (fun k => c * f k) = c * sum n f.
Proof. sums n. Qed.

Lemma sum_scal_r n c f : sum n (fun k => f k * c) = sum n f * c.
Proof. sums n. Qed.

Lemma sum_const n c : sum n (fun _ => c) = INR n * c.
Proof.
  induction n as [| n IH]; [simpl; ring |].
  rewrite S_INR; simpl; rewrite IH; ring.
Qed.

Lemma sum_zero n f : (forall k, (k < n)%nat -> f k = 0) -> sum n f = 0.
Proof. intros H. rewrite (sum_ext n f (fun _ => 0) H), sum_const. ring. Qed.

Lemma sum_le n f g : (forall k, (k < n)%nat -> f k <= g k) -> sum n f <= sum n g.
Proof.
  induction n as [| n IH]; simpl; intros H; [lra |].
  apply Rplus_le_compat; auto.
Qed.

Lemma sum_nonneg n f : (forall k, (k < n)%nat -> 0 <= f k) -> 0 <= sum n f.
Proof.
  intros H. rewrite <- (sum_zero n (fun _ => 0)) by reflexivity. now apply sum_le.
Qed.

Lemma sum_pos n f : (0 < n)%nat -> (forall k, (k < n)%nat -> 0 < f k) -> 0 < sum n f.
Proof.
  intros Hn H. destruct n as [| n]; [lia |]. simpl.
  apply Rplus_le_lt_0_compat; [apply sum_nonneg | apply H; lia].
  intros k Hk. apply Rlt_le, H. lia.
Qed.

(** A sum of terms that are not negative is zero only if every term is. *)
Lemma sum_nonneg_zero n f :
  (forall k, (k < n)%nat -> 0 <= f k) -> sum n f = 0 -> forall k, (k < n)%nat -> f k = 0.
Proof.
  induction n as [| n IH]; simpl; intros H E k Hk; [lia |].
  assert (0 <= sum n f) by (apply sum_nonneg; auto).
  assert (0 <= f n) by auto.
  destruct (Nat.eq_dec k n) as [-> | D]; [lra |].
  apply IH; [auto | lra | lia].
Qed.

(** Two sums, one under the other entry by entry and equal, are equal entry by entry. *)
Lemma sum_le_eq n f g :
  (forall k, (k < n)%nat -> f k <= g k) -> sum n f = sum n g -> forall k, (k < n)%nat -> f k = g k.
Proof.
  intros H E k Hk.
  enough (g k - f k = 0) by lra.
  apply (sum_nonneg_zero n (fun k => g k - f k)); [| rewrite sum_minus; lra | exact Hk].
  intros l Hl. specialize (H l Hl). lra.
Qed.

Lemma sum_exchange m n (f : nat -> nat -> R) :
  sum m (fun i => sum n (fun j => f i j)) = sum n (fun j => sum m (fun i => f i j)).
Proof.
  induction m as [| m IH]; simpl.
  - symmetry. now apply sum_zero.
  - rewrite IH, <- sum_plus. reflexivity.
Qed.

Lemma sum_term_le n f k : (forall i, (i < n)%nat -> 0 <= f i) -> (k < n)%nat -> f k <= sum n f.
Proof.
  induction n as [| n IH]; simpl; intros H Hk; [lia |].
  assert (0 <= sum n f) by (apply sum_nonneg; auto).
  assert (0 <= f n) by auto.
  destruct (Nat.eq_dec k n) as [-> | D]; [lra |].
  enough (f k <= sum n f) by lra. apply IH; [auto | lia].
Qed.

Lemma delta_same i : delta i i = 1.
Proof. unfold delta. now rewrite Nat.eqb_refl. Qed.

Lemma delta_other i k : k <> i -> delta i k = 0.
Proof. unfold delta. intros H. apply Nat.eqb_neq in H. now rewrite H. Qed.

Lemma delta_sym i k : delta i k = delta k i.
Proof. unfold delta. now rewrite Nat.eqb_sym. Qed.

Lemma sum_delta n i f : (i < n)%nat -> sum n (fun k => delta i k * f k) = f i.
Proof.
  induction n as [| n IH]; simpl; intros H; [lia |].
  destruct (Nat.eq_dec i n) as [-> | D].
  - rewrite delta_same, sum_zero; [ring |].
    intros k Hk. rewrite delta_other by lia. ring.
  - rewrite IH by lia. rewrite delta_other by auto. ring.
Qed.

Lemma sum_delta_one n i : (i < n)%nat -> sum n (delta i) = 1.
Proof.
  intros H. rewrite <- (sum_delta n i (fun _ => 1) H).
  apply sum_ext. intros. ring.
Qed.

(** ** Products and lengths *)

Lemma dot_sym n u v : dot n u v = dot n v u.
Proof. apply sum_ext. intros. ring. Qed.

Lemma dot_ext n u u' v v' :
  (forall k, (k < n)%nat -> u k = u' k) -> (forall k, (k < n)%nat -> v k = v' k) -> dot n u v = dot n u' v'.
Proof. intros Hu Hv. apply sum_ext. intros k Hk. now rewrite Hu, Hv. Qed.

Lemma sq_ext n u v : (forall k, (k < n)%nat -> u k = v k) -> sq n u = sq n v.
Proof. intros H. now apply dot_ext. Qed.

Lemma sq_nonneg n u : 0 <= sq n u.
Proof. apply sum_nonneg. intros. nra. Qed.

Lemma sq_zero n u : sq n u = 0 -> forall k, (k < n)%nat -> u k = 0.
Proof.
  intros H k Hk.
  enough (u k * u k = 0) by nra.
  apply (sum_nonneg_zero n (fun k => u k * u k)); auto. intros. nra.
Qed.

Lemma sq_scal n c u : sq n (fun k => c * u k) = c * c * sq n u.
Proof. sums n. Qed.

Lemma sq_line n t u v : sq n (fun k => u k + t * v k) = sq n u + 2 * t * dot n u v + t * t * sq n v.
Proof. sums n. Qed.

Lemma sq_minus n u v : sq n (fun k => u k - v k) = sq n u - 2 * dot n u v + sq n v.
Proof. sums n. Qed.

Lemma cauchy_schwarz n u v : dot n u v * dot n u v <= sq n u * sq n v.
Proof.
  assert (U := sq_nonneg n u). assert (V := sq_nonneg n v).
  destruct (Req_dec (sq n v) 0) as [Z | NZ].
  - assert (E : dot n u v = 0).
    { apply sum_zero. intros k Hk. rewrite (sq_zero n v Z k Hk). ring. }
    rewrite E, Z. lra.
  - assert (P := sq_nonneg n (fun k => u k + (- dot n u v / sq n v) * v k)).
    rewrite sq_line in P.
    replace (sq n u + 2 * (- dot n u v / sq n v) * dot n u v
             + - dot n u v / sq n v * (- dot n u v / sq n v) * sq n v)
      with ((sq n u * sq n v - dot n u v * dot n u v) / sq n v) in P by (field; auto).
    assert (0 < sq n v) by lra.
    apply Rmult_le_compat_r with (r := sq n v) in P; [| lra].
    unfold Rdiv in P. rewrite Rmult_0_l, Rmult_assoc, Rinv_l in P by auto. lra.
Qed.

Lemma norm_nonneg n u : 0 <= norm n u.
Proof. apply sqrt_pos. Qed.

Lemma norm_sq n u : norm n u * norm n u = sq n u.
Proof. apply sqrt_sqrt, sq_nonneg. Qed.

Lemma dot_le_norms n u v : dot n u v <= norm n u * norm n v.
Proof.
  assert (C := cauchy_schwarz n u v).
  rewrite <- (norm_sq n u), <- (norm_sq n v) in C.
  assert (U := norm_nonneg n u). assert (V := norm_nonneg n v).
  apply Rsqr_incr_0_var; [unfold Rsqr; lra |]. now apply Rmult_le_pos.
Qed.

(** ** Exchanging two indices *)

Definition swap (i j k : nat) : nat := if Nat.eqb k i then j else if Nat.eqb k j then i else k.

Lemma swap_left i j : swap i j i = j.
Proof. unfold swap. now rewrite Nat.eqb_refl. Qed.

Lemma swap_right i j : swap i j j = i.
Proof.
  unfold swap. destruct (Nat.eqb_spec j i) as [-> | _]; [reflexivity |]. now rewrite Nat.eqb_refl.
Qed.

Lemma swap_other i j k : k <> i -> k <> j -> swap i j k = k.
Proof. unfold swap. intros A B. apply Nat.eqb_neq in A, B. now rewrite A, B. Qed.

Lemma swap_twice i j k : swap i j (swap i j k) = k.
Proof.
  destruct (Nat.eq_dec k i) as [-> | A]; [now rewrite swap_left, swap_right |].
  destruct (Nat.eq_dec k j) as [-> | B]; [now rewrite swap_right, swap_left |].
  now rewrite !(swap_other i j k).
Qed.

Lemma swap_lt n i j k : (i < n)%nat -> (j < n)%nat -> (k < n)%nat -> (swap i j k < n)%nat.
Proof. unfold swap. destruct (Nat.eqb k i), (Nat.eqb k j); auto. Qed.

Lemma delta_swap i j c k : delta c (swap i j k) = delta (swap i j c) k.
Proof.
  destruct (Nat.eq_dec (swap i j k) c) as [E | D].
  - rewrite <- E, swap_twice, !delta_same. reflexivity.
  - rewrite !delta_other; auto.
    intros E. apply D. rewrite E. apply swap_twice.
Qed.

(** A sum does not feel an exchange of two of its indices. *)
Lemma sum_swap n i j f : (i < n)%nat -> (j < n)%nat -> sum n (fun k => f (swap i j k)) = sum n f.
Proof.
  intros Hi Hj.
  destruct (Nat.eq_dec i j) as [-> | D].
  { apply sum_ext. intros k _. unfold swap. destruct (Nat.eqb_spec k j); congruence. }
  enough (E : sum n (fun k => f (swap i j k) - f k) = 0) by (rewrite sum_minus in E; lra).
  rewrite (sum_ext n _ (fun k => delta i k * (f j - f i) + delta j k * (f i - f j))).
  - rewrite sum_plus, !sum_delta by auto. ring.
  - intros k _.
    destruct (Nat.eq_dec k i) as [-> | A].
    { rewrite swap_left, delta_same, (delta_other j i) by auto. ring. }
    destruct (Nat.eq_dec k j) as [-> | B].
    { rewrite swap_right, delta_same, (delta_other i j) by auto. ring. }
    rewrite swap_other, !delta_other by auto. ring.
Qed.

(** ** Matrices *)

(** W h for a matrix of rows W k with d entries. *)
Definition mul (d : nat) (W : nat -> nat -> R) (h : nat -> R) (k : nat) : R := dot d (W k) h.

(** The transpose of W, with K rows, times v. *)
Definition tmul (K : nat) (W : nat -> nat -> R) (v : nat -> R) (j : nat) : R := sum K (fun k => W k j * v k).

Lemma dot_mul K d W h v : dot K v (mul d W h) = dot d (tmul K W v) h.
Proof.
  unfold dot, mul, tmul, dot.
  rewrite (sum_ext K _ (fun k => sum d (fun j => v k * (W k j * h j)))).
  2: { intros. now rewrite sum_scal. }
  rewrite sum_exchange. apply sum_ext. intros j _.
  rewrite <- sum_scal_r. apply sum_ext. intros. ring.
Qed.

Lemma tmul_ext K W u v j : (forall k, (k < K)%nat -> u k = v k) -> tmul K W u j = tmul K W v j.
Proof. intros H. apply sum_ext. intros k Hk. now rewrite H. Qed.

Lemma mul_ext d W u v k : (forall j, (j < d)%nat -> u j = v j) -> mul d W u k = mul d W v k.
Proof. intros H. apply dot_ext; auto. Qed.

Lemma mul_scal d W c v k : mul d W (fun j => c * v j) k = c * mul d W v k.
Proof. unfold mul, dot. rewrite <- sum_scal. apply sum_ext. intros. ring. Qed.

(** W (transpose of W) v, through the products of the rows. *)
Lemma mul_tmul K d W v k : mul d W (tmul K W v) k = sum K (fun l => dot d (W k) (W l) * v l).
Proof.
  unfold mul, tmul, dot.
  rewrite (sum_ext d _ (fun j => sum K (fun l => W k j * W l j * v l))).
  2: { intros. rewrite <- sum_scal. apply sum_ext. intros. ring. }
  rewrite sum_exchange. apply sum_ext. intros l _. apply sum_scal_r.
Qed.

Lemma mul_minus d W u v k : mul d W (fun j => u j - v j) k = mul d W u k - mul d W v k.
Proof. unfold mul. sums d. Qed.

Lemma mul_line d W t u v k : mul d W (fun j => u j + t * v j) k = mul d W u k + t * mul d W v k.
Proof. unfold mul. sums d. Qed.

Lemma dot_minus_r n u v w : dot n u (fun k => v k - w k) = dot n u v - dot n u w.
Proof. sums n. Qed.

Lemma dot_minus_l n u v w : dot n (fun k => u k - v k) w = dot n u w - dot n v w.
Proof. sums n. Qed.

Lemma dot_scal_r n c u v : dot n u (fun k => c * v k) = c * dot n u v.
Proof. sums n. Qed.

Lemma dot_scal_l n c u v : dot n (fun k => c * u k) v = c * dot n u v.
Proof. sums n. Qed.

Lemma tmul_scal K W c v j : tmul K W (fun k => c * v k) j = c * tmul K W v j.
Proof. unfold tmul. sums K. Qed.

Lemma tmul_minus K W u v j : tmul K W (fun k => u k - v k) j = tmul K W u j - tmul K W v j.
Proof. unfold tmul. sums K. Qed.
