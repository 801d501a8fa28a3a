(** One-hot labels and label smoothing: the joint optimum in logarithms.

    With kappa = sqrt(K lambda_W lambda_H) the gap between the right logit and every other is
    x = log(K/(kappa + eps) - K + 1), and W transpose(W) = x lambda_H/kappa Pi. It is positive exactly if eps + kappa < 1. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Design Frame Roots Exchange Trivial Joint Laws Forms.
Open Scope R_scope.

Definition smoothing_gap (K : nat) (eps kappa : R) : R := ln (INR K / (kappa + eps) - INR K + 1).

Definition onehot_gap (K : nat) (lambda_W lambda_H : R) : R := ln (sqrt (INR K / (lambda_W * lambda_H)) - INR K + 1).

Section Smoothing.
Variables (K d : nat) (eps lambda_W lambda_H : R).
Hypothesis two_classes : (1 < K)%nat.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.
Hypothesis smoothing : 0 <= eps.

Let kappa := sqrt (INR K * (lambda_W * lambda_H)).
Let x := smoothing_gap K eps kappa.

Notation Y := (fun s => smoothed K eps (delta s)).
Notation pi := (uniform K).

Let K_gt_1 : 1 < INR K := K_gt_1 K two_classes.

Lemma kappa_pos : 0 < kappa.
Proof. apply sqrt_lt_R0, Rmult_lt_0_compat; [lra | now apply Rmult_lt_0_compat]. Qed.

Lemma kappa_sq : kappa * kappa = INR K * (lambda_W * lambda_H).
Proof. apply sqrt_sqrt, Rmult_le_pos; [lra | apply Rlt_le; now apply Rmult_lt_0_compat]. Qed.

Hypothesis below : eps + kappa < 1.

Let ratio : INR K < INR K / (kappa + eps).
Proof.
  assert (P := kappa_pos). apply Rmult_lt_reg_r with (kappa + eps); [lra |].
  replace (INR K / (kappa + eps) * (kappa + eps)) with (INR K) by (field; lra). nra.
Qed.

Lemma smoothing_gap_pos : 0 < x.
Proof. unfold x, smoothing_gap. rewrite <- ln_1. apply ln_increasing; lra. Qed.

Let a := x / kappa.

Lemma smoothing_sharpness_pos : 0 < a.
Proof. apply Rdiv_lt_0_compat; [apply smoothing_gap_pos | apply kappa_pos]. Qed.

(** The residual is kappa (e_c - 1/K). *)
Theorem smoothing_prediction c k : (c < K)%nat -> (k < K)%nat ->
  smoothed K eps (delta c) k - prediction K a (smoothed K eps (delta c)) k = kappa * centred K c k.
Proof.
  intros Hc Hk. assert (PK := kappa_pos). assert (Pa := smoothing_sharpness_pos).
  set (p := softmax K (fun l => x * delta c l)).
  assert (Z : exp x + INR K - 1 = INR K / (kappa + eps)).
  { unfold x, smoothing_gap. rewrite exp_ln by (assert (R := ratio); lra). ring. }
  assert (EX : exp x = INR K / (kappa + eps) - INR K + 1) by lra.
  assert (R : forall l, smoothed K eps (delta c) l - p l = kappa * centred K c l).
  { intros l. unfold p, softmax. rewrite esum_delta_scal by exact Hc. rewrite Z.
    unfold smoothed, centred. destruct (Nat.eq_dec l c) as [-> | D].
    - rewrite delta_same. replace (x * 1) with x by ring. rewrite EX. field. lra.
    - rewrite delta_other by exact D. replace (x * 0) with 0 by ring. rewrite exp_0. field. lra. }
  rewrite <- R. f_equal. f_equal.
  apply (answer_unique K a (smoothed K eps (delta c))); auto.
  - apply prediction_answers; [lia | lra].
  - split; [apply softmax_positive; lia |]. exists (lse K (fun l => x * delta c l) - x / INR K).
    intros l _. rewrite R. unfold p. rewrite ln_softmax by lia. unfold a, centred. field. lra.
Qed.

Theorem smoothing_root : F K K pi Y a = (INR K - 1) * (lambda_W * lambda_H).
Proof.
  assert (PP := kappa_sq).
  unfold F, residual_moment. rewrite (expect_ext K _ _ (fun _ => (INR K - 1) * (lambda_W * lambda_H))).
  - apply expect_const, uniform_positive. lia.
  - intros s Hs.
    rewrite (sq_ext K _ (fun k => kappa * centred K s k)) by (intros; now apply smoothing_prediction).
    rewrite sq_scal. change (sq K (centred K s)) with (dot K (centred K s) (centred K s)).
    rewrite dot_centred, PP by exact Hs. unfold centred at 2. rewrite sum_minus, sum_delta_one, sum_const by exact Hs.
    unfold centred. rewrite delta_same. field. lra.
Qed.

(** Every optimum, with its multiplier in closed form. *)
Theorem smoothing_joint W h : eps <= 1 -> (K - 1 <= d)%nat ->
  optimum K K d pi Y lambda_W lambda_H W h -> gram_is K d W (simplex_gram K (x / kappa * lambda_H)).
Proof.
  intros He Hd O.
  apply (joint K K d pi Y lambda_W lambda_H two_classes
    (smoothed_law K K pi delta eps ltac:(lia) ltac:(lra) (onehot_law K ltac:(lia))) positive_W positive_H
    (smoothed_exchangeable K K pi delta eps (onehot_exchangeable K)) a smoothing_sharpness_pos smoothing_root
    W h Hd O).
Qed.

(** And what its predictions leave: kappa (e_c - 1/K). *)
Theorem smoothing_residual W h : (K - 1 <= d)%nat -> optimum K K d pi Y lambda_W lambda_H W h ->
  forall c k, (c < K)%nat -> (k < K)%nat ->
  smoothed K eps (delta c) k - softmax K (logits d W no_bias (h c)) k = kappa * centred K c k.
Proof.
  intros Hd O c k Hc Hk. assert (P := kappa_pos).
  destruct (joint_predictions K K d pi Y lambda_W lambda_H two_classes
    (smoothed_law K K pi delta eps ltac:(lia) ltac:(lra) (onehot_law K ltac:(lia))) positive_W positive_H
    (smoothed_exchangeable K K pi delta eps (onehot_exchangeable K)) a smoothing_sharpness_pos smoothing_root
    W h Hd O) as [Q _].
  rewrite (Q c k Hc Hk). now apply smoothing_prediction.
Qed.
End Smoothing.

(** One-hot labels are smoothed ones with eps = 0. *)
Lemma onehot_below K lambda_W lambda_H :
  (1 < K)%nat -> 0 < lambda_W -> 0 < lambda_H -> lambda_W * lambda_H < / INR K ->
  0 + sqrt (INR K * (lambda_W * lambda_H)) < 1.
Proof.
  intros HK PW PH T. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  assert (Pc : 0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat.
  apply Rmult_lt_compat_l with (r := INR K) in T; [| lra]. rewrite Rinv_r in T by lra.
  assert (K2 : sqrt (INR K * (lambda_W * lambda_H)) * sqrt (INR K * (lambda_W * lambda_H)) = INR K * (lambda_W * lambda_H))
    by (apply sqrt_sqrt, Rmult_le_pos; lra).
  assert (S := sqrt_pos (INR K * (lambda_W * lambda_H))). nra.
Qed.

Lemma smoothed_none K s k : (0 < K)%nat -> delta s k = smoothed K 0 (delta s) k.
Proof. intros HK. assert (PK := lt_0_INR K HK). unfold smoothed. field. lra. Qed.

Lemma onehot_root K lambda_W lambda_H :
  (1 < K)%nat -> 0 < lambda_W -> 0 < lambda_H -> lambda_W * lambda_H < / INR K ->
  let kappa := sqrt (INR K * (lambda_W * lambda_H)) in
  F K K (uniform K) delta (smoothing_gap K 0 kappa / kappa) = (INR K - 1) * (lambda_W * lambda_H).
Proof.
  intros HK PW PH T kappa. assert (below := onehot_below K lambda_W lambda_H HK PW PH T).
  rewrite <- (smoothing_root K 0 lambda_W lambda_H HK PW PH (Rle_refl 0) below). fold kappa.
  assert (Pa := smoothing_sharpness_pos K 0 lambda_W lambda_H HK PW PH (Rle_refl 0) below). fold kappa in Pa.
  apply expect_ext. intros s Hs. apply sq_ext. intros k Hk. rewrite <- smoothed_none by lia. f_equal.
  apply (prediction_reads K HK _ (Rlt_le _ _ Pa)); auto. intros l _. apply smoothed_none. lia.
Qed.

(** One-hot labels: W transpose(W) = x sqrt(lambda_H/(K lambda_W)) Pi, x = log(sqrt(K/(lambda_W lambda_H)) - K + 1). *)
Theorem onehot_joint K d lambda_W lambda_H W h :
  (1 < K)%nat -> 0 < lambda_W -> 0 < lambda_H -> lambda_W * lambda_H < / INR K -> (K - 1 <= d)%nat ->
  optimum K K d (uniform K) delta lambda_W lambda_H W h ->
  gram_is K d W (simplex_gram K (onehot_gap K lambda_W lambda_H * sqrt (lambda_H / (INR K * lambda_W)))).
Proof.
  intros HK PW PH T Hd O. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  set (kappa := sqrt (INR K * (lambda_W * lambda_H))).
  assert (Pc : 0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat.
  assert (Pk : 0 < kappa) by (apply sqrt_lt_R0, Rmult_lt_0_compat; lra).
  assert (K2 : kappa * kappa = INR K * (lambda_W * lambda_H)) by (apply sqrt_sqrt, Rmult_le_pos; lra).
  assert (below : 0 + kappa < 1) by exact (onehot_below K lambda_W lambda_H HK PW PH T).
  assert (G : onehot_gap K lambda_W lambda_H = smoothing_gap K 0 kappa).
  { unfold onehot_gap, smoothing_gap. do 3 f_equal.
    replace (INR K / (kappa + 0)) with (INR K / kappa) by (f_equal; ring).
    apply sqrt_lem_1.
    - apply Rlt_le, Rdiv_lt_0_compat; lra.
    - apply Rlt_le, Rdiv_lt_0_compat; lra.
    - replace (INR K / kappa * (INR K / kappa)) with (INR K * INR K / (kappa * kappa)) by (field; lra).
      rewrite K2. field. lra. }
  assert (Q : sqrt (lambda_H / (INR K * lambda_W)) = lambda_H / kappa).
  { apply sqrt_lem_1.
    - apply Rlt_le, Rdiv_lt_0_compat; [lra | apply Rmult_lt_0_compat; lra].
    - apply Rlt_le, Rdiv_lt_0_compat; lra.
    - replace (lambda_H / kappa * (lambda_H / kappa)) with (lambda_H * lambda_H / (kappa * kappa)) by (field; lra).
      rewrite K2. field. repeat split; lra. }
  rewrite G, Q.
  set (a := smoothing_gap K 0 kappa / kappa).
  assert (Pa : 0 < a) by exact (smoothing_sharpness_pos K 0 lambda_W lambda_H HK PW PH (Rle_refl 0) below).
  assert (E := onehot_root K lambda_W lambda_H HK PW PH T).
  replace (smoothing_gap K 0 kappa * (lambda_H / kappa)) with (a * lambda_H) by (unfold a; field; lra).
  apply (joint K K d (uniform K) delta lambda_W lambda_H HK (onehot_law K ltac:(lia)) PW PH
           (onehot_exchangeable K) a Pa E W h Hd O).
Qed.

(** And what its predictions leave: sqrt(K lambda_W lambda_H) (e_c - 1/K). *)
Theorem onehot_residual K d lambda_W lambda_H W h :
  (1 < K)%nat -> 0 < lambda_W -> 0 < lambda_H -> lambda_W * lambda_H < / INR K -> (K - 1 <= d)%nat ->
  optimum K K d (uniform K) delta lambda_W lambda_H W h ->
  forall c k, (c < K)%nat -> (k < K)%nat ->
  delta c k - softmax K (logits d W no_bias (h c)) k = sqrt (INR K * (lambda_W * lambda_H)) * centred K c k.
Proof.
  intros HK PW PH T Hd O c k Hc Hk. assert (below := onehot_below K lambda_W lambda_H HK PW PH T).
  assert (Pa := smoothing_sharpness_pos K 0 lambda_W lambda_H HK PW PH (Rle_refl 0) below).
  destruct (joint_predictions K K d (uniform K) delta lambda_W lambda_H HK (onehot_law K ltac:(lia)) PW PH
    (onehot_exchangeable K) _ Pa (onehot_root K lambda_W lambda_H HK PW PH T) W h Hd O) as [Q _].
  rewrite (Q c k Hc Hk), <- (smoothing_prediction K 0 lambda_W lambda_H HK PW PH (Rle_refl 0) below c k Hc Hk).
  rewrite <- smoothed_none by lia. f_equal.
  apply (prediction_reads K HK _ (Rlt_le _ _ Pa)); auto. intros l _. apply smoothed_none. lia.
Qed.
