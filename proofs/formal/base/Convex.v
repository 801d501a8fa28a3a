(** Strong convexity: how far any candidate is from the optimum, without a Hessian.

    Cross-entropy lies above its tangents (theorem [CE_bregman]); a ridge adds a square. That is all that the bounds
    on the distance and on the value need, and the derivative is proved to be one. *)

Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From UFM Require Import Sums Entropy.
Open Scope R_scope.

Definition minus_ (u v : nat -> R) (k : nat) : R := u k - v k.

(** f lies above its tangents by at least (l/2) times the squared distance. *)
Definition strongly_convex (d : nat) (l : R) (f : (nat -> R) -> R) (g : (nat -> R) -> nat -> R) : Prop :=
  forall x y, f x + dot d (g x) (minus_ y x) + l / 2 * sq d (minus_ y x) <= f y.

Definition stationary (d : nat) (g : (nat -> R) -> nat -> R) (x : nat -> R) : Prop :=
  forall j, (j < d)%nat -> g x j = 0.

Lemma dot_zero_left d u v : (forall j, (j < d)%nat -> u j = 0) -> dot d u v = 0.
Proof. intros H. apply sum_zero. intros j Hj. rewrite H; auto. ring. Qed.

Lemma sq_minus_sym d x y : sq d (minus_ y x) = sq d (minus_ x y).
Proof. unfold minus_. sums d. Qed.

Section Strong.
Variables (d : nat) (l : R) (f : (nat -> R) -> R) (g : (nat -> R) -> nat -> R).
Hypothesis positive_l : 0 < l.
Hypothesis convex : strongly_convex d l f g.

(** Gradients move apart at least as fast as points. *)
Lemma monotone x y : l * sq d (minus_ x y) <= dot d (minus_ (g x) (g y)) (minus_ x y).
Proof.
  assert (A := convex x y). assert (B := convex y x).
  rewrite (sq_minus_sym d x y) in A.
  assert (E : forall n, dot n (g x) (minus_ y x) + dot n (g y) (minus_ x y)
                        = - dot n (minus_ (g x) (g y)) (minus_ x y)) by
    (intros n; unfold minus_, dot; rewrite <- sum_plus;
     replace (- sum n (fun k => (g x k - g y k) * (x k - y k)))
       with ((-1) * sum n (fun k => (g x k - g y k) * (x k - y k))) by ring;
     rewrite <- sum_scal; apply sum_ext; intros; ring).
  specialize (E d). lra.
Qed.

(** |x - x*| <= |grad f(x)| / l, whatever x is. *)
Theorem distance_bound x best :
  stationary d g best -> norm d (minus_ x best) <= norm d (g x) / l.
Proof.
  intros S.
  assert (M := monotone x best).
  rewrite (dot_ext d (minus_ (g x) (g best)) (g x) (minus_ x best) (minus_ x best)) in M
    by (unfold minus_; intros; rewrite ?S by auto; ring).
  assert (C := dot_le_norms d (g x) (minus_ x best)).
  rewrite <- norm_sq in M.
  assert (N := norm_nonneg d (minus_ x best)).
  apply Rmult_le_reg_l with l; [exact positive_l |].
  replace (l * (norm d (g x) / l)) with (norm d (g x)) by (field; lra).
  destruct (Rle_lt_or_eq_dec 0 _ N) as [P | <-].
  - apply Rmult_le_reg_r with (norm d (minus_ x best)); auto. lra.
  - rewrite Rmult_0_r. apply norm_nonneg.
Qed.

(** f(x) - |grad f(x)|^2 / (2 l) <= f(x'), for any two points. *)
Theorem value_bound x x' : f x - sq d (g x) / (2 * l) <= f x'.
Proof.
  assert (A := convex x x').
  assert (P := sq_nonneg d (fun j => g x j + l * minus_ x' x j)).
  rewrite sq_line in P.
  assert (E : sq d (g x) / (2 * l) * (2 * l) = sq d (g x)) by (field; lra).
  apply Rmult_le_reg_r with (2 * l); [lra |]. nra.
Qed.

(** A stationary point is the only minimum. *)
Theorem stationary_minimum best x :
  stationary d g best -> f best + l / 2 * sq d (minus_ x best) <= f x.
Proof.
  intros S. assert (A := convex best x).
  rewrite (dot_zero_left d (g best)) in A by exact S. lra.
Qed.

Theorem stationary_unique best x :
  stationary d g best -> f x <= f best -> forall j, (j < d)%nat -> x j = best j.
Proof.
  intros S L j Hj. assert (A := stationary_minimum best x S).
  assert (N := sq_nonneg d (minus_ x best)).
  assert (Z : sq d (minus_ x best) = 0) by nra.
  assert (E := sq_zero d _ Z j Hj). unfold minus_ in E. lra.
Qed.

(** If a second function has the gradient g + e, its stationary point is within |e| / l. *)
Theorem perturbed (g' : (nat -> R) -> nat -> R) best other :
  stationary d g best -> stationary d g' other ->
  norm d (minus_ other best) <= norm d (minus_ (g' other) (g other)) / l.
Proof.
  intros S S'. assert (A := distance_bound other best S).
  replace (norm d (minus_ (g' other) (g other))) with (norm d (g other)); [exact A |].
  unfold norm. f_equal. apply sum_ext. intros j Hj. unfold minus_. rewrite (S' j Hj). ring.
Qed.
End Strong.

(** ** Cross-entropy with a ridge, against any given classifier W *)

Definition ridge_loss (K d : nat) (W : nat -> nat -> R) (ridge : R) (y h : nat -> R) : R :=
  CE K (mul d W h) y + ridge / 2 * sq d h.

Definition ridge_grad (K d : nat) (W : nat -> nat -> R) (ridge : R) (y h : nat -> R) (j : nat) : R :=
  tmul K W (fun k => softmax K (mul d W h) k - y k) j + ridge * h j.

Theorem ridge_loss_convex K d W ridge y :
  (0 < K)%nat -> sum K y = 1 ->
  strongly_convex d ridge (ridge_loss K d W ridge y) (ridge_grad K d W ridge y).
Proof.
  intros HK Y h h'. unfold ridge_loss.
  rewrite (CE_bregman K (mul d W h) (mul d W h') y HK Y).
  assert (P := KL_nonneg K _ _ (positive_simplex _ _ (softmax_positive K (mul d W h) HK))
                 (softmax_positive K (mul d W h') HK)).
  set (r := fun k => softmax K (mul d W h) k - y k) in *.
  assert (E : dot K r (fun k => mul d W h' k - mul d W h k) = dot d (tmul K W r) (minus_ h' h)).
  { rewrite <- dot_mul. apply sum_ext. intros k _. now rewrite <- mul_minus. }
  rewrite E.
  assert (G : forall n (t : nat -> R), dot n (fun j => t j + ridge * h j) (minus_ h' h)
    + ridge / 2 * sq n (minus_ h' h)
    = dot n t (minus_ h' h) + ridge / 2 * sq n h' - ridge / 2 * sq n h).
  { intros n t. unfold minus_. induction n as [| n IH]; [unfold dot, sq; simpl; ring |].
    unfold dot, sq in *; simpl. lra. }
  specialize (G d (tmul K W r)).
  change (ridge_grad K d W ridge y h) with (fun j => tmul K W r j + ridge * h j). lra.
Qed.

Lemma is_derive_sum n (f : nat -> R -> R) (df : nat -> R) x :
  (forall k, (k < n)%nat -> is_derive (f k) x (df k)) ->
  is_derive (fun t => sum n (fun k => f k t)) x (sum n df).
Proof.
  induction n as [| n IH]; intros H; simpl.
  - apply (is_derive_const (K := R_AbsRing) (V := R_NormedModule) 0).
  - apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule) (fun t => sum n (fun k => f k t)) (f n));
      [apply IH; auto | apply H; lia].
Qed.

(** [ridge_grad] is the gradient: the derivative along every direction v. *)
Theorem ridge_grad_derivative K d W ridge y h v :
  (0 < K)%nat -> sum K y = 1 ->
  is_derive (fun t => ridge_loss K d W ridge y (fun j => h j + t * v j)) 0 (dot d (ridge_grad K d W ridge y h) v).
Proof.
  intros HK Y.
  set (z := mul d W h). set (w := mul d W v).
  assert (Z : forall t k, mul d W (fun j => h j + t * v j) k = z k + t * w k).
  { intros t k. apply mul_line. }
  apply is_derive_ext with (f := fun t =>
    sum K (fun k => y k * (ln (sum K (fun l => exp (z l + t * w l))) - (z k + t * w k)))
    + ridge / 2 * (sq d h + 2 * t * dot d h v + t * t * sq d v)).
  { intros t. unfold ridge_loss, CE. rewrite sq_line. f_equal.
    apply sum_ext. intros k _. rewrite Z. unfold lse, esum. do 3 f_equal.
    apply sum_ext. intros l _. now rewrite Z. }
  assert (P : 0 < esum K z) by now apply esum_pos.
  assert (D : is_derive (fun t => sum K (fun l => exp (z l + t * w l))) 0 (sum K (fun l => exp (z l) * w l))).
  { apply is_derive_sum. intros l _. auto_derive; auto. rewrite Rmult_0_l, Rplus_0_r. ring. }
  assert (E0 : sum K (fun l => exp (z l + 0 * w l)) = esum K z).
  { apply sum_ext. intros l _. f_equal. ring. }
  assert (DL : is_derive (fun t => ln (sum K (fun l => exp (z l + t * w l)))) 0 (dot K (softmax K z) w)).
  { replace (dot K (softmax K z) w) with (sum K (fun l => exp (z l) * w l) * / esum K z).
    - apply (is_derive_comp (K := R_AbsRing) (V := R_NormedModule) ln
               (fun t => sum K (fun l => exp (z l + t * w l)))); [| exact D].
      rewrite E0. now apply is_derive_ln.
    - unfold dot, softmax. rewrite <- sum_scal_r. apply sum_ext. intros. field. lra. }
  replace (dot d (ridge_grad K d W ridge y h) v) with
    (sum K (fun k => y k * (dot K (softmax K z) w - w k)) + ridge * dot d h v).
  - apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule)).
    + apply is_derive_sum. intros k _.
      apply (is_derive_scal (fun t => ln (sum K (fun l => exp (z l + t * w l))) - (z k + t * w k))).
      apply (is_derive_minus (K := R_AbsRing) (V := R_NormedModule)); [exact DL |].
      auto_derive; auto. ring.
    + auto_derive; auto. field.
  - assert (A : forall n c, sum n (fun k => y k * (c - w k)) = c * sum n y - dot n y w) by (intros n c; sums n).
    rewrite A, Y.
    assert (B : forall n u, dot n (fun j => u j + ridge * h j) v = dot n u v + ridge * dot n h v)
      by (intros n u; sums n).
    change (ridge_grad K d W ridge y h)
      with (fun j => tmul K W (fun k => softmax K z k - y k) j + ridge * h j).
    rewrite (B d (tmul K W (fun k => softmax K z k - y k))), <- dot_mul. fold w.
    assert (C : forall n, dot n (fun k => softmax K z k - y k) w = dot n (softmax K z) w - dot n y w)
      by (intros n; sums n).
    rewrite C. ring.
Qed.

Lemma derivative_at_minimum f x l : is_derive f x l -> (forall t, f x <= f t) -> l = 0.
Proof.
  intros D M.
  assert (pr : derivable_pt f x) by (apply ex_derive_Reals_0; now exists l).
  rewrite <- (is_derive_unique f x l D), <- (Derive_Reals f x pr).
  apply (deriv_minimum f (x - 1) (x + 1)); try lra. intros. apply M.
Qed.

(** The minima are the stationary points. *)
Theorem minimum_iff_stationary K d W ridge y h :
  (0 < K)%nat -> sum K y = 1 -> 0 < ridge ->
  ((forall h', ridge_loss K d W ridge y h <= ridge_loss K d W ridge y h')
   <-> stationary d (ridge_grad K d W ridge y) h).
Proof.
  intros HK Y R. split.
  - intros M. set (g := ridge_grad K d W ridge y h). refine (sq_zero d g _).
    apply (derivative_at_minimum (fun t => ridge_loss K d W ridge y (fun j => h j + t * g j)) 0).
    + apply (ridge_grad_derivative K d W ridge y h g HK Y).
    + intros t. eapply Rle_trans; [| apply M]. right. unfold ridge_loss. f_equal.
      * apply sum_ext. intros k _. f_equal.
        assert (E : forall l, mul d W (fun j => h j + 0 * g j) l = mul d W h l).
        { intros l. apply mul_ext. intros. ring. }
        unfold lse, esum. rewrite E. do 2 f_equal. apply sum_ext. intros. now rewrite E.
      * f_equal. apply sum_ext. intros. ring.
  - intros S h'. assert (A := stationary_minimum d ridge _ _ (ridge_loss_convex K d W ridge y HK Y) h h' S).
    assert (N := sq_nonneg d (minus_ h' h)). nra.
Qed.

(** The distance bound for cross-entropy: any W, any soft label, any candidate h. *)
Theorem CE_distance K d W ridge y h best :
  (0 < K)%nat -> sum K y = 1 -> 0 < ridge ->
  (forall h', ridge_loss K d W ridge y best <= ridge_loss K d W ridge y h') ->
  norm d (minus_ h best) <= norm d (ridge_grad K d W ridge y h) / ridge.
Proof.
  intros HK Y R M.
  apply (distance_bound d ridge (ridge_loss K d W ridge y)); auto using ridge_loss_convex.
  now apply minimum_iff_stationary.
Qed.

(** The optimum moves with the label by at most |transpose(W) (y - y')| / ridge. *)
Theorem CE_label_lipschitz K d W ridge y y' h h' :
  (0 < K)%nat -> sum K y = 1 -> sum K y' = 1 -> 0 < ridge ->
  stationary d (ridge_grad K d W ridge y) h -> stationary d (ridge_grad K d W ridge y') h' ->
  norm d (minus_ h' h) <= norm d (tmul K W (minus_ y y')) / ridge.
Proof.
  intros HK Y Y' R S S'.
  replace (norm d (tmul K W (minus_ y y')))
    with (norm d (minus_ (ridge_grad K d W ridge y' h') (ridge_grad K d W ridge y h'))).
  - exact (perturbed d ridge _ _ R (ridge_loss_convex K d W ridge y HK Y) _ h h' S S').
  - unfold norm. f_equal. apply sum_ext. intros j _.
    assert (E : minus_ (ridge_grad K d W ridge y' h') (ridge_grad K d W ridge y h') j
                = tmul K W (minus_ y y') j); [| now rewrite E].
    unfold minus_, ridge_grad, tmul.
    set (z := mul d W h'). generalize (softmax K z); intros p.
    assert (A : forall n, sum n (fun k => W k j * (p k - y' k)) - sum n (fun k => W k j * (p k - y k))
                          = sum n (fun k => W k j * (y k - y' k))).
    { intros n. rewrite <- sum_minus. apply sum_ext. intros. ring. }
    rewrite <- (A K). ring.
Qed.
