(** Squared error with a free bias, at and above the threshold: W = 0, h = 0, b = 1/K. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Design Frame Roots Exchange Trivial Joint Squared.
Open Scope R_scope.

Theorem squared_trivial N K d pi Y lambda_W lambda_H W b h :
  (1 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> exchangeable N K pi Y ->
  threshold N K pi Y <= lambda_W * lambda_H ->
  (forall W' b' h', squared_objective N K d pi Y lambda_W lambda_H W b h
                    <= squared_objective N K d pi Y lambda_W lambda_H W' b' h') ->
  (forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0)
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0)
  /\ (forall k, (k < K)%nat -> b k = / INR K).
Proof.
  intros HK law PW PH X T O.
  set (q := fun (_ : nat) => uniform K). set (r := residual Y q).
  assert (HK0 : (0 < K)%nat) by lia.
  assert (U : unbiased N K pi Y q) by (intros k Hk; now apply (label_mean N K pi Y HK law X)).
  assert (F : forall v, moment N K pi r v <= lambda_W * lambda_H * sq K v)
    by exact (above_threshold N K pi Y lambda_W lambda_H HK law PW PH X T).
  assert (S0 : forall s, (s < N)%nat -> sum K (r s) = 0).
  { intros s Hs. unfold r, residual, q. rewrite sum_minus, (label_sum N K pi Y law s Hs).
    rewrite (proj2 (uniform_positive K HK0)). ring. }
  (* zero meets the dual bound *)
  assert (Z : squared_objective N K d pi Y lambda_W lambda_H (fun _ _ => 0) (uniform K) (fun _ _ => 0)
              = dual_value N K pi Y q).
  { assert (G := squared_gap_identity N K d pi Y lambda_W lambda_H PH (fun _ _ => 0) (uniform K) (fun _ _ => 0) q).
    rewrite (bias_gap_unbiased N K pi Y _ q U) in G.
    assert (A : fit_gap N K d pi (fun _ _ => 0) (uniform K) (fun _ _ => 0) q = 0).
    { apply sum_zero. intros s _. rewrite (sq_ext K _ (fun _ => 0)); [unfold sq; rewrite sum_const; ring |].
      intros k _. unfold logits, mul. rewrite dot_zero_left by auto. unfold q. ring. }
    assert (B : feature_gap N K pi Y d lambda_H (fun _ _ => 0) (fun _ _ => 0) q = 0).
    { apply sum_zero. intros s _. rewrite (sq_ext d _ (fun _ => 0)); [unfold sq; rewrite sum_const; ring |].
      intros j _. unfold tmul. rewrite sum_zero by (intros; ring). unfold Rdiv. ring. }
    assert (C : classifier_gap N K pi Y d lambda_W lambda_H (fun _ _ => 0) q = 0).
    { apply sum_zero. intros j _. unfold moment, expect, column, sq.
      rewrite (sum_zero K) by (intros; ring). rewrite (sum_zero N); [ring |]. intros s _.
      unfold dot. rewrite (sum_zero K) by (intros; ring). ring. }
    rewrite A, B, C in G. unfold Rdiv in G. lra. }
  assert (G := squared_gap_identity N K d pi Y lambda_W lambda_H PH W b h q).
  rewrite (bias_gap_unbiased N K pi Y b q U) in G.
  assert (M : squared_objective N K d pi Y lambda_W lambda_H W b h <= dual_value N K pi Y q)
    by (rewrite <- Z; apply O).
  assert (A : 0 <= fit_gap N K d pi W b h q) by (apply (expect_nonneg N K pi Y law); intros; apply sq_nonneg).
  assert (B := feature_gap_nonneg N K pi Y law d lambda_H W h q).
  assert (C : 0 <= classifier_gap N K pi Y d lambda_W lambda_H W q).
  { apply sum_nonneg. intros j _. specialize (F (column W j)). unfold r in F. lra. }
  assert (CC : 0 <= classifier_gap N K pi Y d lambda_W lambda_H W q / (2 * lambda_H))
    by (apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat]; lra).
  assert (A0 : fit_gap N K d pi W b h q = 0) by nra.
  assert (B0 : feature_gap N K pi Y d lambda_H W h q = 0) by nra.
  assert (HF : forall s j, (s < N)%nat -> (j < d)%nat -> lambda_H * h s j = tmul K W (r s) j).
  { intros s j Hs Hj.
    assert (E := expect_nonneg_zero N K pi Y law (fun s => sq d (fun j => h s j - tmul K W (residual Y q s) j / lambda_H))
                   (fun _ _ => sq_nonneg _ _) B0 s Hs).
    assert (E' := sq_zero d _ E j Hj). simpl in E'. change (residual Y q s) with (r s) in E'.
    replace (h s j) with (tmul K W (r s) j / lambda_H) by lra. field. lra. }
  assert (HZ : forall s k, (s < N)%nat -> (k < K)%nat -> mul d W (h s) k = / INR K - b k).
  { intros s k Hs Hk.
    assert (E := expect_nonneg_zero N K pi Y law (fun s => sq K (fun k => q s k - logits d W b (h s) k))
                   (fun _ _ => sq_nonneg _ _) A0 s Hs).
    assert (E' := sq_zero K _ E k Hk). unfold logits, q, uniform in E'. simpl in E'. lra. }
  assert (H1 : forall s, (s < N)%nat -> lambda_H * sq d (h s) = - dot K (r s) b).
  { intros s Hs.
    assert (E : dot K (r s) (mul d W (h s)) = lambda_H * sq d (h s)).
    { rewrite dot_mul. unfold sq. rewrite <- sum_scal. apply sum_ext. intros j Hj. rewrite <- HF by auto. ring. }
    rewrite <- E, (dot_ext K (r s) (r s) _ (fun k => / INR K - b k)) by auto.
    rewrite dot_minus_r. unfold dot at 1. rewrite sum_scal_r, S0 by exact Hs. ring. }
  assert (H2 : expect N pi (fun s => sq d (h s)) = 0).
  { assert (E : lambda_H * expect N pi (fun s => sq d (h s)) = 0).
    { rewrite <- expect_scal.
      rewrite (expect_ext N pi _ (fun s => (-1) * dot K (r s) b)) by (intros s Hs; rewrite H1 by auto; ring).
      rewrite expect_scal, expect_dot, (dot_zero_left K) by exact U. ring. }
    apply Rmult_integral in E. destruct E; [lra | assumption]. }
  assert (H3 : forall s, (s < N)%nat -> sq d (h s) = 0)
    by (apply (expect_nonneg_zero N K pi Y law (fun s => sq d (h s))); auto; intros; apply sq_nonneg).
  assert (H4 : forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0).
  { intros s j Hs Hj. exact (sq_zero d (h s) (H3 s Hs) j Hj). }
  split; [| split; [exact H4 |]].
  - rewrite <- Z in M. unfold squared_objective in M.
    rewrite (expect_ext N pi (fun s => sq K (fun k => logits d W b (h s) k - Y s k) / 2 + lambda_H / 2 * sq d (h s))
      (fun s => sq K (fun k => logits d (fun _ _ => 0) (uniform K) (fun _ => 0) k - Y s k) / 2
                + lambda_H / 2 * sq d (fun _ => 0))) in M.
    + assert (Q : sum K (fun k => sq d (fun _ : nat => 0)) = 0).
      { apply sum_zero. intros k _. unfold sq. rewrite sum_const. ring. }
      rewrite Q in M.
      assert (P : 0 <= sum K (fun k => sq d (W k))) by (apply sum_nonneg; intros; apply sq_nonneg).
      assert (S : sum K (fun k => sq d (W k)) = 0) by nra.
      intros k j Hk Hj.
      exact (sq_zero d (W k) (sum_nonneg_zero K (fun k => sq d (W k)) (fun _ _ => sq_nonneg _ _) S k Hk) j Hj).
    + intros s Hs. rewrite (H3 s Hs). assert (Q : sq d (fun _ : nat => 0) = 0) by (unfold sq; rewrite sum_const; ring).
      rewrite Q. f_equal. f_equal. apply sq_ext. intros k Hk. unfold logits. rewrite HZ by auto.
      unfold mul. rewrite dot_zero_left by auto. unfold uniform. ring.
  - intros k Hk. assert (HN : (0 < N)%nat) by (assert (E := law_inhabited N K pi Y law); lia).
    assert (E := HZ 0%nat k HN Hk). unfold mul in E. rewrite dot_sym, dot_zero_left in E by (intros; now apply H4). lra.
Qed.
