(** Where the moment of the residuals exceeds c^2, an unused feature direction lowers the objective.

    So W = 0, h = 0 is a global optimum exactly where E(y - 1/K) transpose(y - 1/K) <= lambda_W lambda_H I: any law,
    any d >= 1. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Trivial Critical Lipschitz.
Open Scope R_scope.

(** Above its tangent cross-entropy is at most half the squared distance. *)
Theorem CE_smooth K z z' y : (0 < K)%nat -> sum K y = 1 ->
  CE K z' y <= CE K z y + dot K (fun k => softmax K z k - y k) (fun k => z' k - z k)
               + / 2 * sq K (fun k => z' k - z k).
Proof.
  intros HK HY. rewrite (CE_bregman K z z' y HK HY).
  set (p := softmax K z). set (p' := softmax K z'). set (x := fun k => z' k - z k).
  assert (P := softmax_positive K z HK). assert (P' := softmax_positive K z' HK).
  assert (N : 0 <= KL K p' p) by (apply KL_nonneg; [now apply positive_simplex | exact P]).
  assert (T : KL K p p' + KL K p' p = dot K (fun k => p' k - p k) x).
  { unfold KL, dot. rewrite <- sum_plus.
    rewrite (sum_ext K _ (fun k => (p' k - p k) * x k - (lse K z' - lse K z) * (p' k - p k))).
    - rewrite sum_minus, sum_scal. unfold p, p' at 2. rewrite sum_minus, !softmax_sum by exact HK. ring.
    - intros k _. unfold p, p', x. rewrite !ln_softmax by exact HK. ring. }
  assert (D := dot_le_norms K (fun k => p' k - p k) x).
  assert (L := softmax_lipschitz K z' z HK). fold p p' x in L.
  assert (NX := norm_nonneg K x). rewrite <- (norm_sq K x). nra.
Qed.

Section Descent.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R) (b : nat -> R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation r := (point_residual K d Y b).
Notation M := (fun W h v => moment N K pi (r W h) v).

(** At a critical point, u a unit feature direction with W u = 0, v a direction over classes in which M exceeds c^2. *)
Theorem descent W h u v :
  critical N K d pi Y lambda_W lambda_H b W h -> (forall k, (k < K)%nat -> mul d W u k = 0) -> sq d u = 1 ->
  lambda_W * lambda_H * sq K v < M W h v ->
  exists W' h', L W' b h' < L W b h.
Proof.
  intros [CH _] WU U1 Big.
  set (beta := fun s => dot K (r W h s) v / lambda_H).
  set (m := M W h v) in *. set (V := sq K v) in *.
  assert (PV : 0 <= V) by apply sq_nonneg.
  assert (PM : 0 <= m) by (apply (expect_nonneg N K pi Y law); intros; apply Rle_0_sqr).
  assert (HU : forall s, (s < N)%nat -> dot d (h s) u = 0).
  { intros s Hs.
    assert (E : lambda_H * dot d (h s) u = dot d (tmul K W (r W h s)) u).
    { rewrite <- dot_scal_l. apply dot_ext; auto. }
    rewrite <- dot_mul in E. rewrite (dot_sym K), (dot_zero_left K) in E by exact WU. apply Rmult_integral in E. lra. }
  set (B := m * V / (lambda_H * lambda_H)).
  set (delta_ := (m - lambda_W * lambda_H * V) / (2 * lambda_H)).
  assert (PB : 0 <= B) by (apply Rmult_le_pos; [now apply Rmult_le_pos | apply Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; lra]).
  assert (PD : 0 < delta_) by (apply Rdiv_lt_0_compat; lra).
  set (t2 := delta_ / (B + 1)). assert (P2 : 0 < t2) by (apply Rdiv_lt_0_compat; lra).
  set (t := sqrt t2). assert (TT : t * t = t2) by (apply sqrt_sqrt; lra).
  exists (fun k j => W k j + t * (v k * u j)), (fun s j => h s j + t * (beta s * u j)).
  enough (G : L (fun k j => W k j + t * (v k * u j)) b (fun s j => h s j + t * (beta s * u j))
              <= L W b h + (- (t2 * delta_) + / 2 * (t2 * t2) * B)).
  { apply Rle_lt_trans with (1 := G). 
    assert (E : t2 * (B + 1) = delta_) by (unfold t2; field; lra).
    assert (t2 * B <= delta_) by nra. nra. }
  (* logits move by t^2 beta v, penalties by t^2 times squares *)
  assert (Z : forall s k, (s < N)%nat -> (k < K)%nat ->
    logits d (fun k j => W k j + t * (v k * u j)) b (fun j => h s j + t * (beta s * u j)) k
    = logits d W b (h s) k + t2 * beta s * v k).
  { intros s k Hs Hk. unfold logits, mul.
    assert (E : forall n, dot n (fun j => W k j + t * (v k * u j)) (fun j => h s j + t * (beta s * u j))
      = dot n (W k) (h s) + t * beta s * dot n (W k) u + t * v k * dot n (h s) u + t * t * (v k * beta s) * sq n u)
      by (intros n; sums n).
    rewrite E. change (dot d (W k) u) with (mul d W u k). rewrite WU, HU, U1, TT by auto. ring. }
  assert (Sh : forall s, (s < N)%nat -> sq d (fun j => h s j + t * (beta s * u j)) = sq d (h s) + t2 * (beta s * beta s)).
  { intros s Hs.
    assert (E : forall n, sq n (fun j => h s j + t * (beta s * u j))
      = sq n (h s) + 2 * t * beta s * dot n (h s) u + t * t * (beta s * beta s) * sq n u) by (intros n; sums n).
    rewrite E, HU, U1, TT by auto. ring. }
  assert (SW : sum K (fun k => sq d (fun j => W k j + t * (v k * u j))) = sum K (fun k => sq d (W k)) + t2 * V).
  { unfold V, sq at 3. rewrite <- sum_scal, <- sum_plus. apply sum_ext. intros k Hk.
    assert (E : forall n, sq n (fun j => W k j + t * (v k * u j))
      = sq n (W k) + 2 * t * v k * dot n (W k) u + t * t * (v k * v k) * sq n u) by (intros n; sums n).
    rewrite E. change (dot d (W k) u) with (mul d W u k). rewrite WU, U1, TT by auto. ring. }
  assert (Eb : expect N pi (fun s => beta s * beta s) = m / (lambda_H * lambda_H)).
  { unfold m, moment, beta. unfold Rdiv at 3. rewrite Rmult_comm, <- expect_scal. apply expect_ext. intros. field. lra. }
  assert (Er : expect N pi (fun s => beta s * dot K (r W h s) v) = m / lambda_H).
  { unfold m, moment, beta. unfold Rdiv at 2. rewrite Rmult_comm, <- expect_scal. apply expect_ext. intros. field. lra. }
  unfold objective. rewrite SW.
  apply Rle_trans with (expect N pi (fun s => CE K (logits d W b (h s)) (Y s) + lambda_H / 2 * sq d (h s)
      + (- t2 * (beta s * dot K (r W h s) v) + (t2 * lambda_H / 2 + / 2 * (t2 * t2) * V) * (beta s * beta s)))
    + lambda_W / 2 * (sum K (fun k => sq d (W k)) + t2 * V)).
  - apply Rplus_le_compat_r. apply (expect_le N K pi Y law). intros s Hs. rewrite Sh by exact Hs.
    assert (S := CE_smooth K (logits d W b (h s))
      (logits d (fun k j => W k j + t * (v k * u j)) b (fun j => h s j + t * (beta s * u j))) (Y s)
      classes (label_sum N K pi Y law s Hs)).
    rewrite (dot_ext K _ (fun k => (-1) * r W h s k) _ (fun k => t2 * beta s * v k)) in S.
    2: { intros k Hk. unfold point_residual, residual, predicted. ring. }
    2: { intros k Hk. rewrite Z by auto. ring. }
    rewrite (sq_ext K _ (fun k => t2 * beta s * v k)) in S by (intros k Hk; rewrite Z by auto; ring).
    rewrite dot_scal_l, dot_scal_r, sq_scal in S. fold V in S. lra.
  - right. rewrite (expect_plus N pi (fun s => CE K (logits d W b (h s)) (Y s) + lambda_H / 2 * sq d (h s))).
    set (X := expect N pi (fun s => CE K (logits d W b (h s)) (Y s) + lambda_H / 2 * sq d (h s))).
    rewrite expect_plus, !expect_scal, Eb, Er. unfold B, delta_. field. lra.
Qed.
End Descent.

Section Zero.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation r := (point_residual K d Y no_bias).

(** W = 0, h = 0 is a global optimum exactly where E(y - 1/K) transpose(y - 1/K) <= c^2 I. *)
Theorem zero_optimum_iff : (0 < d)%nat -> (1 < K)%nat ->
  (optimum N K d pi Y lambda_W lambda_H (fun _ _ => 0) (fun _ _ => 0)
   <-> label_moment_below N K pi Y lambda_W lambda_H).
Proof.
  intros Hd HK. split; [| now apply zero_is_an_optimum].
  intros O v. destruct (Rle_or_lt (moment N K pi (residual Y (fun _ => uniform K)) v) (lambda_W * lambda_H * sq K v))
    as [G | G]; [exact G | exfalso].
  assert (R0 : forall s k, (k < K)%nat -> r (fun _ _ => 0) (fun _ _ => 0) s k = residual Y (fun _ => uniform K) s k).
  { intros s k Hk. unfold point_residual, residual, predicted. f_equal. f_equal.
    apply (softmax_constant K _ 0); auto. intros l _. unfold logits, no_bias, mul.
    rewrite dot_zero_left by auto. ring. }
  destruct (descent N K d pi Y lambda_W lambda_H no_bias classes law positive_H (fun _ _ => 0) (fun _ _ => 0) (delta 0) v) as (W' & h' & Lt).
  - now apply (optimum_critical N K d pi Y lambda_W lambda_H no_bias classes law).
  - intros k _. unfold mul. now apply dot_zero_left.
  - unfold sq. rewrite (sum_delta d 0 (delta 0)) by exact Hd. apply delta_same.
  - apply Rlt_le_trans with (1 := G). right. apply expect_ext. intros s _.
    rewrite (dot_ext K (residual Y (fun _ => uniform K) s) (r (fun _ _ => 0) (fun _ _ => 0) s) v v); auto.
    intros k Hk. symmetry. now apply R0.
  - assert (T := O W' h'). lra.
Qed.
End Zero.
