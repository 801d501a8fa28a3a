(** The shipped equations are those of the theorems.

    [Shipped] is written by the package: each definition is the expression that ufm.theory evaluates. Here each of them is
    tied to what a theorem of this folder is about, for the arguments that its theorem names. One is tied in part:
    [mixed_square] is handed the limit of E[lambda^2 + (1 - lambda)^2], which is not computed here. *)

Require Import Reals Lra Lia.
From Coquelicot Require Import Coquelicot.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Design Frame Exchange Trivial Joint Laws Forms Pair TwoClasses
  OneHot Squared Lipschitz Weighted Distinct.
From UFM Require Shipped.
Open Scope R_scope.

(** ** What the iterations solve *)

(** Where every class has a zero of [excess], from any floor f of the label, and [mass] is zero, o e^{x_k}/a are the
    probabilities p_a(y). *)
Theorem excess_solves K a y x o f :
  (0 < K)%nat -> 0 < a -> sum K y = 1 -> 0 < o ->
  (forall k, (k < K)%nat -> Shipped.excess (x k) o (a * (y k - f)) = 0) ->
  Shipped.mass (sum K x + INR K * a * f) o (INR K) = 0 ->
  forall k, (k < K)%nat -> o * exp (x k) / a = prediction K a y k.
Proof.
  intros HK Pa HY Po E M. unfold Shipped.excess, Shipped.mass in *.
  set (p := fun k => o * exp (x k) / a).
  assert (R : forall k, (k < K)%nat -> a * (y k - p k) = x k + (a * f - o)).
  { intros k Hk. unfold p. replace (a * (y k - o * exp (x k) / a)) with (a * y k - o * exp (x k)) by (field; lra).
    specialize (E k Hk). lra. }
  assert (S : sum K p = 1).
  { assert (T : sum K (fun k => a * (y k - p k)) = sum K x + INR K * (a * f - o)).
    { rewrite <- sum_const, <- sum_plus. now apply sum_ext. }
    replace (sum K x + INR K * (a * f - o)) with 0 in T by (rewrite <- M; ring).
    rewrite sum_scal, sum_minus, HY in T. apply Rmult_integral in T. lra. }
  apply (answer_unique K a y); auto.
  - split; [split; [| exact S] |].
    + intros k _. apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; [exact Po | apply exp_pos] | exact Pa].
    + exists (ln a - ln o + (a * f - o)). intros k Hk.
      change (a * (y k - p k) = ln (p k) + (ln a - ln o + (a * f - o))). rewrite (R k Hk). unfold p, Rdiv.
      assert (Q := exp_pos (x k)).
      rewrite !ln_mult, ln_Rinv, ln_exp by (auto using Rinv_0_lt_compat, Rmult_lt_0_compat). ring.
  - apply prediction_answers; [exact HK | lra].
Qed.

(** And there is such a solution, for every floor f. *)
Theorem excess_solvable K a y f :
  (0 < K)%nat -> 0 < a -> sum K y = 1 ->
  exists o x, 0 < o /\ (forall k, (k < K)%nat -> Shipped.excess (x k) o (a * (y k - f)) = 0)
              /\ Shipped.mass (sum K x + INR K * a * f) o (INR K) = 0.
Proof.
  intros HK Pa HY. unfold Shipped.excess, Shipped.mass.
  destruct (prediction_answers K a y HK (Rlt_le _ _ Pa)) as [[P S] [t A]].
  set (p := prediction K a y) in *.
  (* o + ln (o/a) = a f - t *)
  set (o := omega (ln a - t + a * f)).
  assert (Po : 0 < o) by apply omega_pos.
  assert (Eo : o + ln o = ln a - t + a * f) by apply omega_eq.
  exists o, (fun k => a * (y k - p k) + (o - a * f)). split; [exact Po | split].
  - intros k Hk.
    assert (X : o * exp (a * (y k - p k) + (o - a * f)) = a * p k).
    { rewrite (A k Hk). replace (ln (p k) + t + (o - a * f)) with (ln (p k) + ln a - ln o) by lra.
      unfold Rminus. rewrite !exp_plus, exp_Ropp, !exp_ln by auto. field. lra. }
    cbv beta. rewrite (Rmult_minus_distr_l o), X. ring.
  - rewrite sum_plus, sum_scal, sum_minus, HY, S, sum_const. ring.
Qed.

(** [excess_slope] is the derivative of [excess], and positive. *)
Theorem excess_slope_derivative x o b :
  is_derive (fun t => Shipped.excess t o b) x (Shipped.excess_slope x o).
Proof. unfold Shipped.excess, Shipped.excess_slope. auto_derive; [exact I | ring]. Qed.

(** The zero of [log_omega] is the logarithm of Wright's omega; [excess] is the same equation, shifted. *)
Theorem log_omega_root u y : Shipped.log_omega u y = 0 <-> u = Answer.log_omega y.
Proof.
  unfold Shipped.log_omega. split.
  - intros E. assert (T := omega_unique y (exp u) (exp_pos u)). rewrite ln_exp in T.
    unfold omega in T. rewrite <- (ln_exp u), T, ln_exp by lra. reflexivity.
  - intros ->. assert (E := log_omega_eq y). unfold omega in E. lra.
Qed.

Theorem excess_is_log_omega x o b : 0 < o ->
  Shipped.excess x o b = Shipped.log_omega (x + ln o) (b + o + ln o).
Proof. intros P. unfold Shipped.excess, Shipped.log_omega. rewrite exp_plus, exp_ln by exact P. ring. Qed.

(** [difference] of two classes is the equation of theorem [two_class_root], … *)
Theorem difference_two_classes a lambda D :
  Shipped.difference D a (a * (2 * lambda - 1)) = 0 <-> difference_equation a lambda D.
Proof. unfold Shipped.difference, difference_equation. split; intros E; lra. Qed.

(** … it has one root at most, whatever A >= 0 is, … *)
Theorem difference_root_unique A t D D' :
  0 <= A -> Shipped.difference D A t = 0 -> Shipped.difference D' A t = 0 -> D = D'.
Proof.
  unfold Shipped.difference. intros PA.
  assert (M : forall u v, u < v -> tanh (u / 2) <= tanh (v / 2)).
  { intros u v L. rewrite !tanh_half.
    assert (E : exp (u / 2) < exp (v / 2)) by (apply exp_increasing; lra).
    assert (F : exp (- (v / 2)) < exp (- (u / 2))) by (apply exp_increasing; lra).
    assert (P1 := exp_pos (u / 2)). assert (P2 := exp_pos (- (v / 2))).
    set (p := exp (u / 2)) in *. set (q := exp (v / 2)) in *. set (r := exp (- (v / 2))) in *.
    set (s := exp (- (u / 2))) in *.
    apply Rmult_le_reg_r with ((p + s) * (q + r)); [apply Rmult_lt_0_compat; lra |].
    replace ((p - s) / (p + s) * ((p + s) * (q + r))) with ((p - s) * (q + r)) by (field; lra).
    replace ((q - r) / (q + r) * ((p + s) * (q + r))) with ((q - r) * (p + s)) by (field; lra). nra. }
  intros E E'. destruct (Rtotal_order D D') as [L | [G | L]]; [| exact G |].
  - assert (N := M D D' L). nra.
  - assert (N := M D' D L). nra.
Qed.

(** … and of more classes D = x_i - x_j is that root, with A = a (p_i + p_j). *)
Theorem difference_pair K a lambda x_i x_j i j :
  (1 < K)%nat -> 0 < a -> (i < K)%nat -> (j < K)%nat -> i <> j -> pair_solution K a lambda x_i x_j ->
  forall D,
  Shipped.difference D
    (a * (softmax K (pair_logits x_i x_j i j) i + softmax K (pair_logits x_i x_j i j) j)) (a * (2 * lambda - 1)) = 0
  <-> D = x_i - x_j.
Proof.
  intros HK Pa Hi Hj D E.
  assert (A := pair_logits_answer K a lambda x_i x_j i j HK Pa Hi Hj D E i).
  assert (B := pair_logits_answer K a lambda x_i x_j i j HK Pa Hi Hj D E j).
  assert (L : forall k, softmax K (pair_logits x_i x_j i j) k
                        = exp (pair_logits x_i x_j i j k) / esum K (pair_logits x_i x_j i j)) by reflexivity.
  set (p_i := softmax K (pair_logits x_i x_j i j) i) in *. set (p_j := softmax K (pair_logits x_i x_j i j) j) in *.
  assert (Z : 0 < esum K (pair_logits x_i x_j i j)) by (apply esum_pos; lia).
  unfold pair_label, pair_logits in A, B. rewrite !delta_same, !delta_other in A, B by auto.
  assert (PI : p_i = exp x_i / esum K (pair_logits x_i x_j i j)).
  { unfold p_i. rewrite L. unfold pair_logits at 1. rewrite delta_same, delta_other by auto. do 2 f_equal. ring. }
  assert (PJ : p_j = exp x_j / esum K (pair_logits x_i x_j i j)).
  { unfold p_j. rewrite L. unfold pair_logits at 1. rewrite delta_same, delta_other by auto. do 2 f_equal. ring. }
  assert (T : (p_i + p_j) * tanh ((x_i - x_j) / 2) = p_i - p_j).
  { rewrite tanh_half, PI, PJ.
    set (m := (x_i + x_j) / 2).
    replace (exp x_i) with (exp m * exp ((x_i - x_j) / 2)) by (rewrite <- exp_plus; f_equal; unfold m; field).
    replace (exp x_j) with (exp m * exp (- ((x_i - x_j) / 2))) by (rewrite <- exp_plus; f_equal; unfold m; field).
    assert (Q1 := exp_pos ((x_i - x_j) / 2)). assert (Q2 := exp_pos (- ((x_i - x_j) / 2))). field. lra. }
  assert (Root : Shipped.difference (x_i - x_j) (a * (p_i + p_j)) (a * (2 * lambda - 1)) = 0)
    by (unfold Shipped.difference; rewrite Rmult_assoc, T; lra).
  intros R. split; [| intros ->; exact Root]. intros Q.
  apply (difference_root_unique (a * (p_i + p_j)) (a * (2 * lambda - 1))); auto.
  assert (P1 := exp_pos x_i). assert (P2 := exp_pos x_j). rewrite PI, PJ.
  apply Rmult_le_pos; [lra |]. unfold Rdiv. rewrite <- Rmult_plus_distr_r.
  apply Rmult_le_pos; [lra | now apply Rlt_le, Rinv_0_lt_compat].
Qed.

(** ** Closed forms *)

(** The jointly optimal sharpness: the root of F(a) = [goal], between the two bounds, … *)
Theorem sharpness_bracket N K pi Y lambda_W lambda_H a :
  (1 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> 0 < a ->
  F N K pi Y a = Shipped.goal (INR K) (lambda_W * lambda_H) ->
  Shipped.least_sharpness (Shipped.affine_sharpness (threshold N K pi Y) (lambda_W * lambda_H)) <= a
  <= Shipped.most_sharpness (INR K) (lambda_W * lambda_H).
Proof.
  intros HK law PW PH Pa E. unfold Shipped.goal in E.
  assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  assert (Pc : 0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat.
  assert (HK0 : (0 < K)%nat) by lia.
  set (c2 := lambda_W * lambda_H) in *.
  assert (Pg : 0 < (INR K - 1) * c2) by (apply Rmult_lt_0_compat; lra).
  split.
  - (* F(0) <= (1 + a/2)^2 F(a) *)
    assert (L : F N K pi Y 0 <= (1 + a / 2) * (1 + a / 2) * F N K pi Y a).
    { unfold F, residual_moment. rewrite <- expect_scal. apply (expect_le N K pi Y law). intros s Hs.
      rewrite (sq_ext K (fun k => Y s k - prediction K 0 (Y s) k) (fun k => Y s k - uniform K k))
        by (intros; now rewrite prediction_zero).
      assert (R := residual_lower K a (Y s) _ HK0 (Rlt_le _ _ Pa) (prediction_answers K a (Y s) HK0 (Rlt_le _ _ Pa))).
      rewrite <- !norm_sq.
      set (u := norm K (fun k => Y s k - uniform K k)) in *.
      set (r := norm K (fun k => Y s k - prediction K a (Y s) k)) in *.
      assert (0 <= u) by apply norm_nonneg. assert (0 <= r) by apply norm_nonneg.
      replace ((1 + a / 2) * (1 + a / 2) * (r * r)) with (((1 + a / 2) * r) * ((1 + a / 2) * r)) by ring. nra. }
    rewrite E, (F_zero N K pi Y HK law) in L.
    set (s2 := threshold N K pi Y) in *.
    assert (S2 : s2 * (INR K - 1) = expect N pi (fun s => sq K (Y s)) - / INR K) by (unfold s2, threshold; field; lra).
    assert (B : s2 <= (1 + a / 2) * (1 + a / 2) * c2).
    { apply Rmult_le_reg_r with (INR K - 1); [lra |]. rewrite S2. lra. }
    unfold Shipped.least_sharpness, Shipped.affine_sharpness.
    set (w := sqrt (s2 * c2)). assert (Pw : 0 <= w) by apply sqrt_pos.
    (* w <= (1 + a/2) c2 *)
    assert (W : w <= (1 + a / 2) * c2).
    { unfold w. rewrite <- (sqrt_square ((1 + a / 2) * c2)) by (apply Rmult_le_pos; lra).
      apply sqrt_le_1_alt. replace ((1 + a / 2) * c2 * ((1 + a / 2) * c2)) with ((1 + a / 2) * (1 + a / 2) * c2 * c2) by ring.
      apply Rmult_le_compat_r; lra. }
    destruct (Rle_or_lt s2 0) as [NS | PS].
    + apply Rle_trans with 0; [| lra].
      assert (X : (s2 - c2) / (c2 + w) <= 0).
      { apply Rmult_le_reg_r with (c2 + w); [lra |]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
      lra.
    + assert (WW : w * w = s2 * c2) by (apply sqrt_sqrt, Rmult_le_pos; lra).
      assert (X : (s2 - c2) / (c2 + w) = (w - c2) / c2).
      { apply Rmult_eq_reg_r with (c2 * (c2 + w)); [| nra].
        replace ((s2 - c2) / (c2 + w) * (c2 * (c2 + w))) with ((s2 - c2) * c2) by (field; lra).
        replace ((w - c2) / c2 * (c2 * (c2 + w))) with (w * w - c2 * c2) by (field; lra). rewrite WW. ring. }
      rewrite X. apply Rmult_le_reg_r with c2; [lra |].
      replace (2 * ((w - c2) / c2) * c2) with (2 * (w - c2)) by (field; lra). lra.
  - assert (M := moment_large N K pi Y HK0 law a (Rlt_le _ _ Pa)). fold (F N K pi Y a) in M.
    change (residual_moment N K pi Y a) with (F N K pi Y a) in M. rewrite E in M.
    unfold Shipped.most_sharpness. apply Rmult_le_reg_r with ((INR K - 1) * c2); [exact Pg |].
    replace (2 * ln (INR K) / ((INR K - 1) * c2) * ((INR K - 1) * c2)) with (2 * ln (INR K)) by (field; lra).
    assert (0 <= ln (INR K)) by (rewrite <- ln_1; apply Rcomplements.ln_le; lra). lra.
Qed.

(** … sigma/c - 1 for squared error, … *)
Theorem affine_sharpness_form s2 c2 : 0 < c2 -> 0 < s2 ->
  Shipped.affine_sharpness s2 c2 = sqrt s2 / sqrt c2 - 1.
Proof.
  intros C S. unfold Shipped.affine_sharpness. rewrite sqrt_mult by lra.
  assert (PC := sqrt_lt_R0 c2 C). assert (PS := sqrt_lt_R0 s2 S).
  rewrite <- (sqrt_sqrt s2) at 1 by lra. rewrite <- (sqrt_sqrt c2) at 1 2 by lra.
  set (s := sqrt s2) in *. set (c := sqrt c2) in *. field. nra.
Qed.

(** … and the squared row length of every joint optimum. *)
Theorem multiplier_square_form N K d pi Y lambda_W lambda_H a W h k :
  (1 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> exchangeable N K pi Y -> 0 < a ->
  F N K pi Y a = Shipped.goal (INR K) (lambda_W * lambda_H) -> (K - 1 <= d)%nat ->
  optimum N K d pi Y lambda_W lambda_H W h -> (k < K)%nat ->
  sq d (W k) = Shipped.multiplier_square a (INR K) lambda_H.
Proof.
  intros HK law PW PH X Pa E Hd O Hk.
  now apply (joint_multiplier N K d pi Y lambda_W lambda_H HK law PW PH X a Pa E W h k).
Qed.

(** Thresholds: [label_spread] of any law whose labels are a single class in a share, and E |y|^2 = rho in the rest. *)
Theorem label_spread_form N K pi Y rho share : (1 < K)%nat ->
  expect N pi (fun s => sq K (Y s)) = (1 - share) * rho + share ->
  Shipped.label_spread rho share (INR K) = threshold N K pi Y.
Proof.
  intros HK E. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  unfold Shipped.label_spread, threshold. rewrite E. field. lra.
Qed.

(** Mixup of all pairs, of which 1/K are of one class; of one-hot labels; of different classes. *)
Theorem label_spread_mixup K T w lambda : (1 < K)%nat -> lambda_grid T w lambda ->
  Shipped.label_spread (concentration T w lambda) (/ INR K) (INR K)
  = threshold (T * K ^ 2) K (kway_weight K 2 w) (mixup_label K lambda).
Proof.
  intros HK G. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  rewrite mixup_threshold by assumption. unfold Shipped.label_spread. fold (concentration T w lambda). field. lra.
Qed.

Theorem label_spread_onehot K rho : (1 < K)%nat -> Shipped.label_spread rho 1 (INR K) = threshold K K (uniform K) delta.
Proof.
  intros HK. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia). rewrite onehot_threshold by exact HK.
  unfold Shipped.label_spread. field. lra.
Qed.

Theorem label_spread_distinct K T w lambda : (1 < K)%nat -> lambda_grid T w lambda ->
  Shipped.label_spread (concentration T w lambda) 0 (INR K)
  = threshold (T * (K * (K - 1))) K (distinct_weight K w) (distinct_label K lambda).
Proof.
  intros HK G. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  rewrite distinct_threshold by assumption. unfold Shipped.label_spread. fold (concentration T w lambda). field. lra.
Qed.

(** The moments of Beta are not computed here: the limit is handed in. *)
Theorem mixed_square_limit K (T : nat -> nat) (w lambda : nat -> nat -> R) alpha :
  (1 < K)%nat -> 0 < alpha -> (forall n, lambda_grid (T n) (w n) (lambda n)) ->
  Un_cv (fun n => sum (T n) (fun t => w n t * (lambda n t * lambda n t + (1 - lambda n t) * (1 - lambda n t))))
        (Shipped.mixed_square alpha) ->
  Un_cv (fun n => threshold (T n * K ^ 2) K (kway_weight K 2 (w n)) (mixup_label K (lambda n)))
        (Shipped.label_spread (Shipped.mixed_square alpha) (/ INR K) (INR K)).
Proof.
  intros HK Pa G C. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  replace (Shipped.label_spread _ _ _) with ((alpha + 1) / ((2 * alpha + 1) * INR K))
    by (unfold Shipped.label_spread, Shipped.mixed_square; field; lra).
  now apply mixup_threshold_limit.
Qed.

(** One-hot and smoothed labels. *)
Theorem class_gap_form K eps lambda_W lambda_H :
  (1 < K)%nat -> 0 < lambda_W -> 0 < lambda_H -> 0 <= eps ->
  Shipped.class_gap (INR K) (Shipped.wrong_share (INR K) lambda_W lambda_H eps)
  = smoothing_gap K eps (sqrt (INR K * (lambda_W * lambda_H))).
Proof.
  intros HK PW PH He. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  unfold Shipped.class_gap, Shipped.wrong_share, smoothing_gap. rewrite <- Rmult_assoc.
  assert (P : 0 < sqrt (INR K * lambda_W * lambda_H)) by (apply sqrt_lt_R0; repeat apply Rmult_lt_0_compat; lra).
  f_equal. field. lra.
Qed.

Theorem class_gain_form K d eps lambda_W lambda_H W h :
  (1 < K)%nat -> 0 < lambda_W -> 0 < lambda_H -> 0 <= eps ->
  let share := Shipped.wrong_share (INR K) lambda_W lambda_H eps in
  share < 1 -> (K - 1 <= d)%nat ->
  optimum K K d (uniform K) (fun s => smoothed K eps (delta s)) lambda_W lambda_H W h ->
  gram_is K d W (simplex_gram K (Shipped.class_gain (Shipped.class_gap (INR K) share) (INR K) lambda_W lambda_H)).
Proof.
  intros HK PW PH He share B Hd O. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  unfold share. rewrite class_gap_form by auto. unfold share, Shipped.wrong_share in B.
  rewrite Rmult_assoc in B. set (kappa := sqrt (INR K * (lambda_W * lambda_H))) in *.
  assert (Pc : 0 < lambda_W * lambda_H) by now apply Rmult_lt_0_compat.
  assert (Pk : 0 < kappa) by (apply sqrt_lt_R0, Rmult_lt_0_compat; lra).
  assert (K2 : kappa * kappa = INR K * (lambda_W * lambda_H)) by (apply sqrt_sqrt, Rmult_le_pos; lra).
  assert (Q : sqrt (lambda_H / (INR K * lambda_W)) = lambda_H / kappa).
  { apply sqrt_lem_1.
    - apply Rlt_le, Rdiv_lt_0_compat; [lra | apply Rmult_lt_0_compat; lra].
    - apply Rlt_le, Rdiv_lt_0_compat; lra.
    - replace (lambda_H / kappa * (lambda_H / kappa)) with (lambda_H * lambda_H / (kappa * kappa)) by (field; lra).
      rewrite K2. field. repeat split; lra. }
  unfold Shipped.class_gain. rewrite Q.
  replace (smoothing_gap K eps kappa * (lambda_H / kappa)) with (smoothing_gap K eps kappa / kappa * lambda_H) by (field; lra).
  apply (smoothing_joint K d eps lambda_W lambda_H HK PW PH He ltac:(fold kappa; lra) W h ltac:(lra) Hd O).
Qed.

(** Squared error against an ETF: logits x_k = [affine_logit] y_k up to their mean. *)
Theorem affine_logit_form K d W g ridge y k :
  (0 < K)%nat -> gram_is K d W (simplex_gram K g) -> 0 < g -> 0 < ridge -> sum K y = 1 -> (k < K)%nat ->
  mul d W (fun j => tmul K W y j / (g + ridge)) k
  = Shipped.affine_logit (y k) (g / ridge) - Shipped.affine_logit (/ INR K) (g / ridge).
Proof.
  intros HK HG Pg PR HY Hk. assert (PK : 0 < INR K) by now apply lt_0_INR.
  rewrite (mul_ext d W _ (fun j => / (g + ridge) * tmul K W y j)) by (intros; field; lra).
  rewrite mul_scal, mul_tmul.
  rewrite (sum_ext K _ (fun l => g * (centred K k l * y l))).
  - rewrite sum_scal. change (sum K (fun l => centred K k l * y l)) with (dot K (centred K k) y).
    rewrite dot_centred, HY by exact Hk. unfold Shipped.affine_logit. field. repeat split; lra.
  - intros l Hl. rewrite HG by auto. unfold simplex_gram, centred. ring.
Qed.

(** Labels by design. *)
Theorem design_residual_form K w c k l :
  Shipped.design_residual c (w k) (delta k l) (INR K) = Design.design_residual K w c k l.
Proof. unfold Shipped.design_residual, Design.design_residual, centred, Rdiv. ring. Qed.
