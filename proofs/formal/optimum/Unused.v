(** Unused feature directions: fewer than d vectors leave one of d dimensions free.

    So with d >= K - 1 a critical point is a global optimum exactly if E r transpose(r) <= c^2 I: elsewhere some
    feature direction is unused, and the objective falls along it. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Trivial Critical Lipschitz Descent.
Open Scope R_scope.

(** ** Fewer equations than unknowns *)

Lemma dot_last n u v : dot (S n) u v = dot n u v + u n * v n.
Proof. reflexivity. Qed.

Lemma all_zero_or_not m (f : nat -> R) :
  (forall i, (i < m)%nat -> f i = 0) \/ exists p, (p < m)%nat /\ f p <> 0.
Proof.
  induction m as [| m [Z | (p & Hp & NZ)]].
  - left. intros i Hi. lia.
  - destruct (Req_dec (f m) 0) as [E | E].
    + left. intros i Hi. destruct (Nat.eq_dec i m) as [-> | D]; [exact E | apply Z; lia].
    + right. exists m. split; [lia | exact E].
  - right. exists p. split; [lia | exact NZ].
Qed.

Lemma kernel_square m : forall A : nat -> nat -> R,
  exists u, 0 < sq (S m) u /\ forall i, (i < m)%nat -> dot (S m) (A i) u = 0.
Proof.
  induction m as [| m IH]; intros A.
  { exists (delta 0). split; [unfold sq; simpl; rewrite delta_same; lra | intros i Hi; lia]. }
  destruct (all_zero_or_not (S m) (fun i => A i (S m))) as [Z | (p & Hp & NZ)].
  - exists (delta (S m)). split.
    + unfold sq. rewrite (sum_delta (S (S m)) (S m) (delta (S m))), delta_same by lia. lra.
    + intros i Hi. rewrite dot_sym. unfold dot. rewrite sum_delta by lia. now apply Z.
  - (* eliminate the last unknown with row p *)
    destruct (IH (fun i j => A (swap p m i) j - A (swap p m i) (S m) / A p (S m) * A p j)) as (u & U & O).
    set (x := - dot (S m) (A p) u / A p (S m)).
    exists (fun j => if Nat.eqb j (S m) then x else u j).
    assert (C : forall j, (j < S m)%nat -> (if Nat.eqb j (S m) then x else u j) = u j).
    { intros j Hj. destruct (Nat.eqb_spec j (S m)); [lia | reflexivity]. }
    assert (D : forall v, dot (S (S m)) v (fun j => if Nat.eqb j (S m) then x else u j) = dot (S m) v u + v (S m) * x).
    { intros v. rewrite dot_last, Nat.eqb_refl. f_equal. now apply dot_ext. }
    assert (P : dot (S (S m)) (A p) (fun j => if Nat.eqb j (S m) then x else u j) = 0).
    { rewrite D. unfold x. field. exact NZ. }
    split.
    + change (0 < dot (S m) (fun j => if Nat.eqb j (S m) then x else u j) (fun j => if Nat.eqb j (S m) then x else u j)
                  + (if Nat.eqb (S m) (S m) then x else u (S m)) * (if Nat.eqb (S m) (S m) then x else u (S m))).
      rewrite (dot_ext (S m) _ u _ u C C). change (dot (S m) u u) with (sq (S m) u).
      rewrite Nat.eqb_refl. assert (0 <= x * x) by apply Rle_0_sqr. lra.
    + intros i Hi. destruct (Nat.eq_dec i p) as [-> | Np]; [exact P |].
      assert (Q : (swap p m i < m)%nat).
      { destruct (Nat.eq_dec i m) as [-> | Nm]; [rewrite swap_right | rewrite swap_other by auto]; lia. }
      assert (E := O (swap p m i) Q). rewrite swap_twice, dot_minus_l, dot_scal_l in E.
      rewrite D in P. rewrite D.
      replace (dot (S m) (A p) u) with (- (A p (S m) * x)) in E by lra.
      replace (dot (S m) (A i) u) with (- (A i (S m) * x)).
      * ring.
      * replace (A i (S m) / A p (S m) * - (A p (S m) * x)) with (- (A i (S m) * x)) in E by (field; exact NZ). lra.
Qed.

(** m < d equations in d unknowns have a solution other than zero. *)
Theorem kernel_vector m d (A : nat -> nat -> R) :
  (m < d)%nat -> exists u, 0 < sq d u /\ forall i, (i < m)%nat -> dot d (A i) u = 0.
Proof.
  destruct d as [| n]; intros Hm; [lia |].
  destruct (kernel_square n (fun i => if lt_dec i m then A i else fun _ => 0)) as (u & U & O).
  exists u. split; [exact U |]. intros i Hi. rewrite <- (O i) by lia.
  destruct (lt_dec i m); [reflexivity | contradiction].
Qed.

Section Unused.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R) (b : nat -> R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.
Hypothesis dimension : (K - 1 <= d)%nat.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation r := (point_residual K d Y b).
Notation critical := (critical N K d pi Y lambda_W lambda_H b).
Notation c2 := (lambda_W * lambda_H).

(** In the span of the columns of W the moment is c^2 times the square. *)
Lemma moment_in_range W h x v : critical W h -> (forall k, (k < K)%nat -> v k = mul d W x k) ->
  moment N K pi (r W h) v = c2 * sq K v.
Proof.
  intros C E.
  assert (A : forall k, (k < K)%nat -> expect N pi (fun s => r W h s k * dot K (r W h s) v) = c2 * v k).
  { intros k Hk. rewrite (E k Hk). unfold mul, dot at 2. rewrite <- sum_scal.
    rewrite (expect_ext N pi _ (fun s => sum d (fun j => r W h s k * dot K (r W h s) (column W j) * x j))).
    - rewrite expect_sum. apply sum_ext. intros j Hj.
      rewrite <- (Rmult_assoc c2), <- (equalised N K d pi Y lambda_W lambda_H b W h k j C Hk Hj).
      rewrite (Rmult_comm _ (x j)), <- expect_scal. apply expect_ext. intros. ring.
    - intros s _. rewrite (dot_ext K _ (r W h s) v (fun i => mul d W x i)) by auto.
      rewrite dot_mul. unfold dot at 1. rewrite <- sum_scal. apply sum_ext. intros j _.
      replace (tmul K W (r W h s) j) with (dot K (r W h s) (column W j)) by (apply sum_ext; intros; unfold column; ring).
      ring. }
  unfold moment, sq. rewrite <- sum_scal.
  rewrite (expect_ext N pi _ (fun s => sum K (fun k => v k * (r W h s k * dot K (r W h s) v)))).
  - rewrite expect_sum. apply sum_ext. intros k Hk. rewrite expect_scal, A by exact Hk. ring.
  - intros s _. set (y := dot K (r W h s) v). unfold y at 1. unfold dot at 1. rewrite <- sum_scal_r.
    apply sum_ext. intros. ring.
Qed.

(** Residuals sum to zero: their moment forgets a common shift. *)
Lemma moment_centred W h v m : moment N K pi (r W h) (fun k => v k - m) = moment N K pi (r W h) v.
Proof.
  apply expect_ext. intros s Hs. rewrite dot_minus_r.
  assert (Z : dot K (r W h s) (fun _ => m) = 0).
  { unfold dot. rewrite sum_scal_r, (point_residual_sum N K d pi Y b classes law W h s Hs). ring. }
  rewrite Z. ring.
Qed.

(** Where the moment of a critical point exceeds c^2 in some direction over classes, a feature direction is unused. *)
Theorem unused_direction W h v : critical W h -> c2 * sq K v < moment N K pi (r W h) v ->
  exists u, sq d u = 1 /\ forall k, (k < K)%nat -> mul d W u k = 0.
Proof.
  intros C Big. assert (PK : 0 < INR K) by now apply lt_0_INR.
  set (m := sum K v / INR K). set (w := fun k => v k - m).
  assert (SW : sum K w = 0) by (unfold w, m; rewrite sum_minus, sum_const; field; lra).
  assert (Mw : moment N K pi (r W h) w = moment N K pi (r W h) v) by apply moment_centred.
  assert (Lw : sq K w <= sq K v).
  { unfold w. rewrite sq_minus. unfold dot, sq at 2. rewrite sum_scal_r, sum_const. 
    replace (sum K v) with (INR K * m) by (unfold m; field; lra).
    assert (0 <= INR K * (m * m)) by (apply Rmult_le_pos; [lra | apply Rle_0_sqr]). lra. }
  destruct (kernel_vector (K - 1) (S d) (fun k j => if Nat.eqb j d then w k else W k j)) as (u & U & O); [lia |].
  assert (D : forall k, dot (S d) (fun j => if Nat.eqb j d then w k else W k j) u = mul d W u k + w k * u d).
  { intros k. rewrite dot_last, Nat.eqb_refl. f_equal. apply dot_ext; auto.
    intros j Hj. destruct (Nat.eqb_spec j d); [lia | reflexivity]. }
  assert (T : sum K (fun k => mul d W u k + w k * u d) = 0).
  { rewrite sum_plus, sum_scal_r, SW. unfold mul, dot. rewrite sum_exchange, (sum_zero d); [ring |].
    intros j Hj. rewrite sum_scal_r.
    change (sum K (column W j) * u j = 0).
    rewrite (centred_classifier N K d pi Y lambda_W lambda_H b classes law positive_W positive_H W h j C Hj). ring. }
  assert (All : forall k, (k < K)%nat -> mul d W u k + w k * u d = 0).
  { assert (First : forall k, (k < K - 1)%nat -> mul d W u k + w k * u d = 0) by (intros k Hk; rewrite <- D; now apply O).
    replace K with (S (K - 1)) in T by lia. cbn [sum] in T. rewrite (sum_zero (K - 1)) in T by exact First.
    intros k Hk. destruct (Nat.eq_dec k (K - 1)) as [-> | Nk]; [lra | apply First; lia]. }
  destruct (Req_dec (u d) 0) as [Z | NZ].
  - assert (P : 0 < sq d u).
    { change (0 < sq d u + u d * u d) in U. rewrite Z in U. lra. }
    exists (fun j => / norm d u * u j).
    assert (Q : norm d u <> 0) by (intros E; assert (V := norm_sq d u); rewrite E in V; lra).
    split.
    + rewrite sq_scal, <- norm_sq. field. exact Q.
    + intros k Hk. rewrite mul_scal. specialize (All k Hk). rewrite Z in All.
      replace (mul d W u k) with 0 by lra. ring.
  - exfalso.
    assert (E : moment N K pi (r W h) w = c2 * sq K w).
    { apply (moment_in_range W h (fun j => - / u d * u j)); [exact C |]. intros k Hk. rewrite mul_scal.
      specialize (All k Hk). replace (mul d W u k) with (- (w k * u d)) by lra. field. exact NZ. }
    assert (0 < c2) by now apply Rmult_lt_0_compat.
    assert (c2 * sq K w <= c2 * sq K v) by (apply Rmult_le_compat_l; lra). lra.
Qed.

(** So the moment is at most c^2 at a global optimum, among all classifiers and features with the same bias. *)
Theorem optimum_moment W h : (forall W' h', L W b h <= L W' b h') ->
  forall v, moment N K pi (point_residual K d Y b W h) v <= lambda_W * lambda_H * sq K v.
Proof.
  intros O v. assert (C := optimum_critical N K d pi Y lambda_W lambda_H b classes law W h O).
  destruct (Rle_or_lt (moment N K pi (r W h) v) (c2 * sq K v)) as [G | G]; [exact G | exfalso].
  destruct (unused_direction W h v C G) as (u & U1 & WU).
  destruct (descent N K d pi Y lambda_W lambda_H b classes law positive_H W h u v C WU U1 G) as (W' & h' & Lt).
  assert (T := O W' h'). lra.
Qed.
End Unused.

(** Without a bias and with d >= K - 1, a critical point is a global optimum exactly if the moment of its residuals
    is at most c^2. *)
Theorem critical_minimum_iff N K d pi Y lambda_W lambda_H W h :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> (K - 1 <= d)%nat ->
  critical N K d pi Y lambda_W lambda_H no_bias W h ->
  (optimum N K d pi Y lambda_W lambda_H W h
   <-> forall v, moment N K pi (point_residual K d Y no_bias W h) v <= lambda_W * lambda_H * sq K v).
Proof.
  intros HK law PW PH Hd C. split.
  - intros O. now apply (optimum_moment N K d pi Y lambda_W lambda_H no_bias).
  - now apply (critical_minimum N K d pi Y lambda_W lambda_H HK law PH).
Qed.

(** Strong duality: the value of a global optimum is the largest mean entropy of a feasible q, attained by its
    predictions. *)
Theorem strong_duality N K d pi Y lambda_W lambda_H W h :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> (K - 1 <= d)%nat ->
  optimum N K d pi Y lambda_W lambda_H W h ->
  feasible N K pi Y (lambda_W * lambda_H) (predicted K d no_bias W h)
  /\ objective N K d pi Y lambda_W lambda_H W no_bias h = expect N pi (fun s => entropy K (predicted K d no_bias W h s))
  /\ forall q, feasible N K pi Y (lambda_W * lambda_H) q ->
       expect N pi (fun s => entropy K (q s)) <= objective N K d pi Y lambda_W lambda_H W no_bias h.
Proof.
  intros HK law PW PH Hd O.
  assert (C := optimum_critical N K d pi Y lambda_W lambda_H no_bias HK law W h O).
  split; [| split].
  - apply critical_feasible; [exact HK |]. now apply (critical_minimum_iff N K d pi Y lambda_W lambda_H W h).
  - now apply (critical_value N K d pi Y lambda_W lambda_H HK law PH).
  - intros q Q. now apply (weak_duality_no_bias N K pi Y HK law d lambda_W lambda_H PH).
Qed.

(** All global optima make the same predictions, for any law. *)
Theorem unique_predictions N K d pi Y lambda_W lambda_H W h W' h' :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> (K - 1 <= d)%nat ->
  optimum N K d pi Y lambda_W lambda_H W h -> optimum N K d pi Y lambda_W lambda_H W' h' ->
  forall s k, (s < N)%nat -> (k < K)%nat -> predicted K d no_bias W' h' s k = predicted K d no_bias W h s k.
Proof.
  intros HK law PW PH Hd O O'.
  destruct (strong_duality N K d pi Y lambda_W lambda_H W h HK law PW PH Hd O) as (F & V & _).
  apply (closed_gap N K pi Y HK law d lambda_W lambda_H PH W' no_bias h' (predicted K d no_bias W h) F).
  - apply bias_gap_none.
  - rewrite <- V. apply O'.
Qed.
