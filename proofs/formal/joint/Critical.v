(** Critical points: the derivative of the objective, and what its zeros satisfy.

    With h = transpose(W) r / lambda_H the classifier has M W = c^2 W, M = E r transpose(r); a critical point with M at most
    c^2 is a global minimum; and where M exceeds c^2 in a direction and some feature direction is unused, the objective can be lowered. *)

Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Trivial.
Open Scope R_scope.

Section Critical.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R) (b : nat -> R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).

(** The predictions of a point, and its residuals. *)
Definition predicted (W : nat -> nat -> R) (h : nat -> nat -> R) (s : nat) : nat -> R :=
  softmax K (logits d W b (h s)).

Definition point_residual W h : nat -> nat -> R := residual Y (predicted W h).

(** lambda_H h = transpose(W) r and lambda_W W = E r transpose(h). *)
Definition critical (W : nat -> nat -> R) (h : nat -> nat -> R) : Prop :=
  (forall s j, (s < N)%nat -> (j < d)%nat -> lambda_H * h s j = tmul K W (point_residual W h s) j)
  /\ (forall k j, (k < K)%nat -> (j < d)%nat ->
        lambda_W * W k j = expect N pi (fun s => point_residual W h s k * h s j)).

(** M W = c^2 W. *)
Theorem equalised W h k j : critical W h -> (k < K)%nat -> (j < d)%nat ->
  expect N pi (fun s => point_residual W h s k * dot K (point_residual W h s) (column W j))
  = lambda_W * lambda_H * W k j.
Proof.
  intros [CH CW] Hk Hj.
  replace (lambda_W * lambda_H * W k j) with (lambda_H * (lambda_W * W k j)) by ring.
  rewrite CW, <- expect_scal by auto. apply expect_ext. intros s Hs.
  assert (E : dot K (point_residual W h s) (column W j) = lambda_H * h s j).
  { rewrite CH by auto. apply sum_ext. intros. unfold column. ring. }
  rewrite E. ring.
Qed.

Lemma point_residual_sum W h s : (s < N)%nat -> sum K (point_residual W h s) = 0.
Proof.
  intros Hs. unfold point_residual, residual. rewrite sum_minus, (label_sum N K pi Y law s Hs).
  unfold predicted. rewrite softmax_sum by exact classes. ring.
Qed.

(** So the classifier is centred. *)
Theorem centred_classifier W h j : critical W h -> (j < d)%nat -> sum K (column W j) = 0.
Proof.
  intros C Hj.
  assert (E : lambda_W * lambda_H * sum K (column W j) = 0).
  { rewrite <- sum_scal.
    rewrite (sum_ext K _ (fun k => expect N pi (fun s =>
      point_residual W h s k * dot K (point_residual W h s) (column W j)))).
    - rewrite <- (expect_sum N pi K (fun s k => point_residual W h s k * dot K (point_residual W h s) (column W j))).
      apply sum_zero. intros s Hs. rewrite sum_scal_r, point_residual_sum by exact Hs. ring.
    - intros k Hk. symmetry. now apply (equalised W h k j). }
  assert (0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat.
  apply Rmult_integral in E. destruct E; [lra | assumption].
Qed.

(** ** The derivative *)

Lemma CE_curve_derivative z w u y : sum K y = 1 ->
  is_derive (fun t => CE K (fun k => z k + t * w k + t * t * u k) y) 0 (dot K (fun k => softmax K z k - y k) w).
Proof.
  intros HY. assert (P : 0 < esum K z) by now apply esum_pos.
  assert (E0 : sum K (fun l => exp (z l + 0 * w l + 0 * 0 * u l)) = esum K z).
  { apply sum_ext. intros l _. f_equal. ring. }
  assert (D : is_derive (fun t => sum K (fun l => exp (z l + t * w l + t * t * u l))) 0 (sum K (fun l => exp (z l) * w l))).
  { apply is_derive_sum. intros l _. auto_derive; auto.
    replace (z l + 0 * w l + 0 * 0 * u l) with (z l) by ring. ring. }
  assert (DL : is_derive (fun t => ln (sum K (fun l => exp (z l + t * w l + t * t * u l)))) 0 (dot K (softmax K z) w)).
  { replace (dot K (softmax K z) w) with (sum K (fun l => exp (z l) * w l) * / esum K z).
    - apply (is_derive_comp (K := R_AbsRing) (V := R_NormedModule) ln
               (fun t => sum K (fun l => exp (z l + t * w l + t * t * u l)))); [| exact D].
      rewrite E0. now apply is_derive_ln.
    - unfold dot, softmax. rewrite <- sum_scal_r. apply sum_ext. intros. field. lra. }
  replace (dot K (fun k => softmax K z k - y k) w) with (sum K (fun k => y k * (dot K (softmax K z) w - w k))).
  - unfold CE, lse, esum. apply is_derive_sum. intros k _.
    apply (is_derive_scal (fun t => ln (sum K (fun l => exp (z l + t * w l + t * t * u l))) - (z k + t * w k + t * t * u k))).
    apply (is_derive_minus (K := R_AbsRing) (V := R_NormedModule)); [exact DL |]. auto_derive; auto. ring.
  - assert (A : forall n c, sum n (fun k => y k * (c - w k)) = c * sum n y - dot n y w) by (intros n c; sums n).
    rewrite A, HY, dot_minus_l. ring.
Qed.

(** Along any direction (U, v) the derivative of L is the product with the two gradients. *)
Theorem objective_derivative W h U v :
  is_derive (fun t => L (fun k j => W k j + t * U k j) b (fun s j => h s j + t * v s j)) 0
    (expect N pi (fun s => dot d (fun j => lambda_H * h s j - tmul K W (point_residual W h s) j) (v s))
     + sum K (fun k => dot d (fun j => lambda_W * W k j - expect N pi (fun s => point_residual W h s k * h s j)) (U k))).
Proof.
  set (z := fun s => logits d W b (h s)). set (w := fun s k => mul d W (v s) k + mul d U (h s) k).
  set (u := fun s => mul d U (v s)).
  apply is_derive_ext with (f := fun t =>
    sum N (fun s => pi s * (CE K (fun k => z s k + t * w s k + t * t * u s k) (Y s)
                            + lambda_H / 2 * (sq d (h s) + 2 * t * dot d (h s) (v s) + t * t * sq d (v s))))
    + lambda_W / 2 * sum K (fun k => sq d (W k) + 2 * t * dot d (W k) (U k) + t * t * sq d (U k))).
  { intros t. unfold objective, expect. f_equal.
    - apply sum_ext. intros s _. do 2 f_equal; [| now rewrite sq_line].
      assert (Z : forall k, z s k + t * w s k + t * t * u s k
                  = logits d (fun k j => W k j + t * U k j) b (fun j => h s j + t * v s j) k).
      { intros k. unfold z, w, u, logits, mul.
        assert (E : forall n, dot n (fun j => W k j + t * U k j) (fun j => h s j + t * v s j)
          = dot n (W k) (h s) + t * (dot n (W k) (v s) + dot n (U k) (h s)) + t * t * dot n (U k) (v s))
          by (intros n; sums n).
        rewrite E. ring. }
      apply CE_ext; auto.
    - f_equal. apply sum_ext. intros k _. now rewrite sq_line. }
  replace (expect N pi _ + sum K _) with
    (sum N (fun s => pi s * (dot K (fun k => softmax K (z s) k - Y s k) (w s) + lambda_H * dot d (h s) (v s)))
     + lambda_W * sum K (fun k => dot d (W k) (U k))).
  - apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule)).
    + apply is_derive_sum. intros s Hs.
      apply (is_derive_scal (fun t => CE K (fun k => z s k + t * w s k + t * t * u s k) (Y s)
        + lambda_H / 2 * (sq d (h s) + 2 * t * dot d (h s) (v s) + t * t * sq d (v s)))).
      apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule)).
      * apply CE_curve_derivative. now apply (label_sum N K pi Y law).
      * auto_derive; auto. field.
    + replace (lambda_W * sum K (fun k => dot d (W k) (U k)))
        with (lambda_W / 2 * sum K (fun k => 2 * dot d (W k) (U k))) by (rewrite sum_scal; field).
      apply (is_derive_scal (fun t => sum K (fun k => sq d (W k) + 2 * t * dot d (W k) (U k) + t * t * sq d (U k)))).
      apply is_derive_sum. intros k _. auto_derive; auto. ring.
  - (* the two ways to group the terms *)
    set (r := point_residual W h).
    assert (RZ : forall s k, softmax K (z s) k - Y s k = - r s k).
    { intros s k. unfold r, point_residual, residual, predicted.
      change (logits d W b (h s)) with (z s). ring. }
    assert (A : forall s, dot K (fun k => softmax K (z s) k - Y s k) (w s)
                = - dot d (tmul K W (r s)) (v s) - sum K (fun k => r s k * mul d U (h s) k)).
    { intros s. rewrite <- dot_mul. unfold w.
      rewrite (dot_ext K _ (fun k => (-1) * r s k) _ (fun k => mul d W (v s) k + mul d U (h s) k))
        by (auto; intros; rewrite RZ; ring).
      assert (E : forall n f g, dot n (fun k => (-1) * r s k) (fun k => f k + g k)
                    = - dot n (r s) f - sum n (fun k => r s k * g k)) by (intros n f g; sums n).
      apply E. }
    assert (B : sum K (fun k => dot d (fun j => lambda_W * W k j - expect N pi (fun s => r s k * h s j)) (U k))
                = lambda_W * sum K (fun k => dot d (W k) (U k))
                  - expect N pi (fun s => sum K (fun k => r s k * mul d U (h s) k))).
    { rewrite expect_sum, <- sum_scal, <- sum_minus. apply sum_ext. intros k _.
      rewrite dot_minus_l, dot_scal_l. f_equal. rewrite <- expect_dot. apply expect_ext. intros s _.
      unfold mul. rewrite (dot_sym d (U k)), <- dot_scal_l. reflexivity. }
    rewrite B.
    rewrite (expect_ext N pi (fun s => dot d (fun j => lambda_H * h s j - tmul K W (r s) j) (v s))
      (fun s => lambda_H * dot d (h s) (v s) - dot d (tmul K W (r s)) (v s)))
      by (intros; now rewrite dot_minus_l, dot_scal_l).
    unfold expect. rewrite (sum_ext N (fun s => pi s * (dot K (fun k => softmax K (z s) k - Y s k) (w s) + lambda_H * dot d (h s) (v s)))
      (fun s => pi s * (lambda_H * dot d (h s) (v s) - dot d (tmul K W (r s)) (v s))
                - pi s * sum K (fun k => r s k * mul d U (h s) k))) by (intros; rewrite A; ring).
    rewrite sum_minus. ring.
Qed.

(** A global optimum, among all classifiers and features with the same bias, is a critical point. *)
Theorem optimum_critical W h : (forall W' h', L W b h <= L W' b h') -> critical W h.
Proof.
  intros O.
  set (v := fun s j => lambda_H * h s j - tmul K W (point_residual W h s) j).
  set (U := fun k j => lambda_W * W k j - expect N pi (fun s => point_residual W h s k * h s j)).
  assert (Z : expect N pi (fun s => sq d (v s)) + sum K (fun k => sq d (U k)) = 0).
  { apply (derivative_at_minimum (fun t => L (fun k j => W k j + t * U k j) b (fun s j => h s j + t * v s j)) 0).
    - exact (objective_derivative W h U v).
    - intros t. eapply Rle_trans; [| apply O]. right. unfold objective. f_equal.
      + apply expect_ext. intros s _. f_equal; [| f_equal; apply sq_ext; intros; ring].
        assert (Q : forall l, logits d (fun k j => W k j + 0 * U k j) b (fun j => h s j + 0 * v s j) l
                    = logits d W b (h s) l).
        { intros l. unfold logits, mul. f_equal. apply dot_ext; intros; ring. }
        apply CE_ext; auto.
      + f_equal. apply sum_ext. intros k _. apply sq_ext. intros. ring. }
  assert (A : 0 <= expect N pi (fun s => sq d (v s))) by (apply (expect_nonneg N K pi Y law); intros; apply sq_nonneg).
  assert (B : 0 <= sum K (fun k => sq d (U k))) by (apply sum_nonneg; intros; apply sq_nonneg).
  split.
  - intros s j Hs Hj.
    assert (E := expect_nonneg_zero N K pi Y law (fun s => sq d (v s)) (fun _ _ => sq_nonneg _ _) ltac:(lra) s Hs).
    assert (E' := sq_zero d _ E j Hj). unfold v in E'. lra.
  - intros k j Hk Hj.
    assert (E := sum_nonneg_zero K (fun k => sq d (U k)) (fun _ _ => sq_nonneg _ _) ltac:(lra) k Hk).
    assert (E' := sq_zero d _ E j Hj). unfold U in E'. lra.
Qed.
End Critical.

Section Minimum.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation p := (predicted K d no_bias).
Notation r := (point_residual K d Y no_bias).

(** The objective of a critical point is the mean entropy of its predictions, for any d. *)
Theorem critical_value W h : critical N K d pi Y lambda_W lambda_H no_bias W h ->
  L W no_bias h = expect N pi (fun s => entropy K (p W h s)).
Proof.
  intros C. apply (met_bound N K pi Y classes law d lambda_W lambda_H positive_H W no_bias h (p W h)).
  - intros s _. apply softmax_sum, classes.
  - apply bias_gap_none.
  - reflexivity.
  - intros s j Hs Hj. change (residual Y (p W h)) with (r W h). rewrite <- (proj1 C s j Hs Hj). field. lra.
  - apply sum_zero. intros j Hj. change (residual Y (p W h)) with (r W h).
    enough (E : moment N K pi (r W h) (column W j) = lambda_W * lambda_H * sq K (column W j)) by lra.
    unfold moment, sq. rewrite <- sum_scal.
    rewrite (expect_ext N pi _ (fun s => sum K (fun k =>
      column W j k * (r W h s k * dot K (r W h s) (column W j))))).
    + rewrite expect_sum. apply sum_ext. intros k Hk. rewrite expect_scal.
      rewrite (equalised N K d pi Y lambda_W lambda_H no_bias W h k j C Hk Hj). unfold column. ring.
    + intros s _. set (x := dot K (r W h s) (column W j)).
      unfold x at 1. unfold dot at 1. rewrite <- sum_scal_r. apply sum_ext. intros. ring.
Qed.

Lemma critical_feasible W h : (forall v, moment N K pi (r W h) v <= lambda_W * lambda_H * sq K v) ->
  feasible N K pi Y (lambda_W * lambda_H) (p W h).
Proof. intros M. split; [| exact M]. intros s _. apply positive_simplex, softmax_positive, classes. Qed.

(** A critical point whose M is at most c^2 is a global minimum, for any d. *)
Theorem critical_minimum W h : critical N K d pi Y lambda_W lambda_H no_bias W h ->
  (forall v, moment N K pi (r W h) v <= lambda_W * lambda_H * sq K v) -> optimum N K d pi Y lambda_W lambda_H W h.
Proof.
  intros C M W' h'. rewrite (critical_value W h C).
  apply (weak_duality_no_bias N K pi Y classes law d lambda_W lambda_H positive_H). now apply critical_feasible.
Qed.
End Minimum.
