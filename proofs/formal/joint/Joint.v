(** The joint theorem: under an exchangeable label law every global optimum is a simplex ETF.

    With F(a) = E |y - p_a(y)|^2 the sharpness a > 0 is the root of F(a) = (K - 1) lambda_W lambda_H; it exists exactly
    if (K - 1) lambda_W lambda_H < F(0) = E |y|^2 - 1/K. Then W transpose(W) = a lambda_H (I - 11'/K) at every global
    optimum, with no bias, a free one or a penalised one. Otherwise every global optimum is W = 0, h = 0. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design Answer Roots Frame Exchange Trivial.
Open Scope R_scope.

Section Joint.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis two_classes : (1 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.
Hypothesis symmetric : exchangeable N K pi Y.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation optimum := (optimum N K d pi Y lambda_W lambda_H).
Notation optimum_free_bias := (optimum_free_bias N K d pi Y lambda_W lambda_H).
Notation optimum_penalised_bias := (optimum_penalised_bias N K d pi Y lambda_W lambda_H).
Notation F := (F N K pi Y).
Notation threshold := (threshold N K pi Y).

Let classes : (0 < K)%nat := classes K two_classes.
Let K_gt_1 : 1 < INR K := K_gt_1 K two_classes.
Let c2_pos : 0 < lambda_W * lambda_H := c2_pos lambda_W lambda_H positive_W positive_H.

Let r (a : R) (s k : nat) := Y s k - prediction K a (Y s) k.

Lemma prediction_reads a : 0 <= a -> forall u v, (forall k, (k < K)%nat -> u k = v k) ->
  forall k, (k < K)%nat -> prediction K a u k = prediction K a v k.
Proof.
  intros [Pa | <-] u v E k Hk; [| now rewrite !prediction_zero].
  apply (answer_unique K a v); auto.
  - apply (answers_ext K a u v); auto. apply prediction_answers; [apply classes | lra].
  - apply prediction_answers; [apply classes | lra].
Qed.

Lemma prediction_moves a : 0 <= a -> forall i j u, (i < K)%nat -> (j < K)%nat ->
  forall k, (k < K)%nat -> prediction K a (fun l => u (swap i j l)) k = prediction K a u (swap i j k).
Proof.
  intros [Pa | <-] i j u Hi Hj k Hk; [| now rewrite !prediction_zero].
  apply (answer_unique K a (fun l => u (swap i j l)) _ (fun l => prediction K a u (swap i j l))); auto.
  - apply prediction_answers; [apply classes | lra].
  - destruct (prediction_answers K a u classes ltac:(lra)) as [[P S] [t A]]. split; [split |].
    + intros l Hl. apply P. now apply swap_lt.
    + now rewrite sum_swap.
    + exists t. intros l Hl. apply A. now apply swap_lt.
Qed.

Lemma prediction_sum a s : 0 <= a -> (s < N)%nat -> sum K (r a s) = 0.
Proof.
  intros Ha Hs. unfold r. rewrite sum_minus, (label_sum N K pi Y law s Hs).
  rewrite (proj2 (proj1 (prediction_answers K a (Y s) classes Ha))). ring.
Qed.

(** E r transpose(r) = F(a)/(K-1) Pi and E r = 0, at every a. *)
Theorem joint_moment a : 0 <= a -> centred_moment N K pi (r a) (F a / (INR K - 1)).
Proof.
  intros Ha.
  apply (equivariant_moment N K pi Y (fun y k => y k - prediction K a y k) two_classes symmetric).
  - intros u v E k Hk. now rewrite (E k Hk), (prediction_reads a Ha u v E k Hk).
  - intros i j u Hi Hj k Hk. now rewrite prediction_moves.
  - intros s Hs. now apply prediction_sum.
Qed.

Theorem joint_mean a k : 0 <= a -> (k < K)%nat -> expect N pi (fun s => r a s k) = 0.
Proof.
  intros Ha.
  apply (equivariant_mean N K pi Y (fun y k => y k - prediction K a y k) two_classes symmetric).
  - intros u v E l Hl. now rewrite (E l Hl), (prediction_reads a Ha u v E l Hl).
  - intros i j u Hi Hj l Hl. now rewrite prediction_moves.
  - intros s Hs. now apply prediction_sum.
Qed.

(** ** Below the threshold *)

Section Root.
Variable a : R.
Hypothesis positive_a : 0 < a.
Hypothesis root : F a = (INR K - 1) * (lambda_W * lambda_H).

Let q (s : nat) := prediction K a (Y s).
Let g := a * lambda_H.
Definition joint_value : R := expect N pi (fun s => entropy K (prediction K a (Y s))).

Let q_simplex s : (s < N)%nat -> simplex K (q s).
Proof. intros _. apply positive_simplex, prediction_answers; [apply classes | lra]. Qed.

Let q_moment : centred_moment N K pi (residual Y q) (lambda_W * lambda_H).
Proof.
  assert (P := K_gt_1). assert (M := joint_moment a ltac:(lra)). rewrite root in M.
  replace ((INR K - 1) * (lambda_W * lambda_H) / (INR K - 1)) with (lambda_W * lambda_H) in M by (field; lra).
  exact M.
Qed.

Let q_unbiased : unbiased N K pi Y q.
Proof. intros k Hk. apply (joint_mean a k); auto. lra. Qed.

Let q_consistent s k : (s < N)%nat -> (k < K)%nat ->
  softmax K (fun l => apply K (simplex_gram K g) (residual Y q s) l / lambda_H) k = q s k.
Proof.
  intros Hs Hk.
  assert (A := prediction_answers K a (Y s) classes ltac:(lra)).
  assert (E := proj1 (answers_softmax K a (Y s) (q s) classes (proj1 A)) A k Hk).
  rewrite <- E. apply softmax_ext; auto. intros l Hl.
  rewrite simplex_gram_apply by (auto; apply (prediction_sum a s); auto; lra).
  unfold g, residual. field. lra.
Qed.

Let rows : zero_rows K (simplex_gram K g).
Proof. apply simplex_gram_rows, classes. Qed.

Let columns l : (l < K)%nat -> sum K (fun k => simplex_gram K g k l) = 0.
Proof. apply simplex_gram_columns, classes. Qed.

Let q_feasible : feasible N K pi Y (lambda_W * lambda_H) q.
Proof. exact (design_feasible N K pi Y q lambda_W lambda_H classes positive_W positive_H q_simplex q_moment). Qed.

(** A simplex ETF with its own answer as features attains the dual bound, … *)
Theorem simplex_attains W h :
  gram_is K d W (simplex_gram K (a * lambda_H)) ->
  (forall s j, (s < N)%nat -> (j < d)%nat ->
     h s j = tmul K W (fun k => Y s k - prediction K a (Y s) k) j / lambda_H) ->
  L W no_bias h = joint_value.
Proof.
  intros HG HF.
  exact (design_attained N K d pi Y q (simplex_gram K g) lambda_W lambda_H classes law positive_H
           q_simplex q_moment rows q_consistent W h HG HF).
Qed.

Lemma joint_bound W b h : joint_value <= L W b h.
Proof.
  exact (weak_duality_free_bias N K pi Y classes law d lambda_W lambda_H positive_H W b h q q_feasible q_unbiased).
Qed.

(** … there is one where the dimension allows it, … *)
Theorem simplex_exists : (K - 1 <= d)%nat ->
  exists W h, gram_is K d W (simplex_gram K (a * lambda_H)) /\ L W no_bias h = joint_value
              /\ optimum W h /\ optimum_free_bias W no_bias h.
Proof.
  intros Hd.
  set (W := simplex_frame K g).
  set (h := fun s j => tmul K W (fun k => Y s k - prediction K a (Y s) k) j / lambda_H).
  assert (HG : gram_is K d W (simplex_gram K g)).
  { apply simplex_frame_gram; [lia | lia |]. unfold g. apply Rmult_le_pos; lra. }
  assert (E : L W no_bias h = joint_value) by (apply simplex_attains; auto).
  exists W, h. split; [exact HG | split; [exact E | split]].
  - intros W' h'. rewrite E. apply joint_bound.
  - intros W' b' h'. rewrite E. apply joint_bound.
Qed.

Lemma meets_bound W b h : (K - 1 <= d)%nat ->
  (forall W' h', L W b h <= L W' no_bias h') -> L W b h <= joint_value.
Proof.
  intros Hd O. destruct (simplex_exists Hd) as (W' & h' & _ & E & _). rewrite <- E. apply O.
Qed.

(** Whatever reaches the bound, in any d and with any bias, has that Gram matrix. *)
Lemma meets_value W b h : L W b h <= joint_value -> gram_is K d W (simplex_gram K (a * lambda_H)).
Proof.
  intros M.
  apply (design_unique N K d pi Y q (simplex_gram K g) lambda_W lambda_H classes law positive_W positive_H
           q_simplex q_moment rows columns q_consistent W b h (or_intror q_unbiased) M).
Qed.

(** … and every global optimum is one. *)
Theorem joint W h : (K - 1 <= d)%nat -> optimum W h ->
  gram_is K d W (simplex_gram K (a * lambda_H))
  /\ (forall s j, (s < N)%nat -> (j < d)%nat ->
        h s j = tmul K W (fun k => Y s k - prediction K a (Y s) k) j / lambda_H)
  /\ L W no_bias h = joint_value.
Proof.
  intros Hd O. assert (M := meets_bound W no_bias h Hd O).
  destruct (design_unique N K d pi Y q (simplex_gram K g) lambda_W lambda_H classes law positive_W positive_H
              q_simplex q_moment rows columns q_consistent W no_bias h (or_introl (fun _ => eq_refl)) M)
    as (HG & HF & _).
  split; [exact HG | split; [exact HF |]]. apply Rle_antisym; [exact M | apply joint_bound].
Qed.

Theorem joint_free_bias W b h : (K - 1 <= d)%nat -> optimum_free_bias W b h ->
  gram_is K d W (simplex_gram K (a * lambda_H))
  /\ (forall s j, (s < N)%nat -> (j < d)%nat ->
        h s j = tmul K W (fun k => Y s k - prediction K a (Y s) k) j / lambda_H)
  /\ L W b h = joint_value
  /\ (forall k l, (k < K)%nat -> (l < K)%nat -> b k = b l).
Proof.
  intros Hd O. assert (M := meets_bound W b h Hd (fun W' h' => O W' no_bias h')).
  destruct (design_unique N K d pi Y q (simplex_gram K g) lambda_W lambda_H classes law positive_W positive_H
              q_simplex q_moment rows columns q_consistent W b h (or_intror q_unbiased) M)
    as (HG & HF & HB).
  split; [exact HG | split; [exact HF | split; [| exact HB]]].
  apply Rle_antisym; [exact M | apply joint_bound].
Qed.

Theorem joint_penalised_bias lambda_b W b h :
  (K - 1 <= d)%nat -> 0 < lambda_b -> optimum_penalised_bias lambda_b W b h ->
  gram_is K d W (simplex_gram K (a * lambda_H))
  /\ (forall s j, (s < N)%nat -> (j < d)%nat ->
        h s j = tmul K W (fun k => Y s k - prediction K a (Y s) k) j / lambda_H)
  /\ L W b h = joint_value
  /\ (forall k, (k < K)%nat -> b k = 0).
Proof.
  intros Hd Pb O.
  assert (N0 : sq K no_bias = 0) by (apply sum_zero; intros; unfold no_bias; ring).
  assert (S := sq_nonneg K b).
  assert (B := joint_bound W b h).
  assert (M : L W b h + lambda_b / 2 * sq K b <= joint_value).
  { destruct (simplex_exists Hd) as (W' & h' & _ & E & _).
    assert (T := O W' no_bias h'). rewrite N0, E in T. lra. }
  assert (Z : sq K b = 0) by nra.
  assert (M' : L W b h <= joint_value) by nra.
  destruct (design_unique N K d pi Y q (simplex_gram K g) lambda_W lambda_H classes law positive_W positive_H
              q_simplex q_moment rows columns q_consistent W b h (or_intror q_unbiased) M')
    as (HG & HF & _).
  split; [exact HG | split; [exact HF | split]].
  - apply Rle_antisym; [exact M' | apply joint_bound].
  - now apply sq_zero.
Qed.

(** Predictions at every global optimum are p_a(y), and their residuals have the moment c^2 Pi. *)
Theorem joint_predictions W h : (K - 1 <= d)%nat -> optimum W h ->
  (forall s k, (s < N)%nat -> (k < K)%nat -> softmax K (logits d W no_bias (h s)) k = prediction K a (Y s) k)
  /\ centred_moment N K pi (residual Y (fun s => softmax K (logits d W no_bias (h s)))) (lambda_W * lambda_H).
Proof.
  intros Hd O. assert (M := meets_bound W no_bias h Hd O).
  destruct (closed_gap N K pi Y classes law d lambda_W lambda_H positive_H W no_bias h q q_feasible
              (bias_gap_none N K pi Y q) M) as (HP & _ & _).
  split; [exact HP |]. intros v. rewrite <- (q_moment v). apply expect_ext. intros s Hs.
  rewrite (dot_ext K (residual Y (fun s => softmax K (logits d W no_bias (h s))) s) (residual Y q s) v v); auto.
  intros k Hk. unfold residual. now rewrite HP.
Qed.

(** The multiplier: every row has the squared length m^2 = a (K-1) lambda_H / K. *)
Theorem joint_multiplier W h k :
  (K - 1 <= d)%nat -> optimum W h -> (k < K)%nat -> sq d (W k) = a * (INR K - 1) * lambda_H / INR K.
Proof.
  intros Hd O Hk. destruct (joint W h Hd O) as (HG & _ & _).
  rewrite (simplex_row_length K d W _ k classes HG Hk). unfold Rdiv. ring.
Qed.
End Root.

(** ** At and above the threshold *)

Lemma above_threshold : threshold <= lambda_W * lambda_H -> label_moment_below N K pi Y lambda_W lambda_H.
Proof.
  intros T v. assert (P := K_gt_1).
  assert (M := joint_moment 0 ltac:(lra) v).
  replace (moment N K pi (residual Y (fun _ => uniform K)) v) with (moment N K pi (r 0) v).
  - rewrite M, (F_zero N K pi Y two_classes law).
    assert (Q : 0 <= sum K v * sum K v / INR K).
    { apply Rmult_le_pos; [nra |]. apply Rlt_le, Rinv_0_lt_compat. lra. }
    assert (V : 0 <= sq K v - sum K v * sum K v / INR K).
    { assert (C := cauchy_schwarz K v (fun _ => 1)).
      assert (D1 : dot K v (fun _ => 1) = sum K v) by (apply sum_ext; intros; ring).
      assert (D2 : sq K (fun _ => 1) = INR K) by (unfold sq; rewrite sum_const; ring).
      rewrite D1, D2 in C. apply Rmult_le_reg_r with (INR K); [lra |].
      replace ((sq K v - sum K v * sum K v / INR K) * INR K) with (sq K v * INR K - sum K v * sum K v) by (field; lra).
      lra. }
    change ((expect N pi (fun s => sq K (Y s)) - / INR K) / (INR K - 1)) with threshold.
    apply Rle_trans with (lambda_W * lambda_H * (sq K v - sum K v * sum K v / INR K)).
    + now apply Rmult_le_compat_r.
    + assert (C := c2_pos). apply Rmult_le_compat_l; lra.
  - unfold moment. apply expect_ext. intros s Hs.
    rewrite (dot_ext K (r 0 s) (residual Y (fun _ => uniform K) s) v v); auto.
    intros k _. unfold r, residual. now rewrite prediction_zero.
Qed.

(** The dichotomy: W = 0 at every optimum at and above the threshold, at none below it. *)
Theorem trivial_iff W h : (K - 1 <= d)%nat -> optimum W h ->
  ((forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0) <-> threshold <= lambda_W * lambda_H).
Proof.
  intros Hd O. assert (P := K_gt_1). split.
  - intros Z. destruct (Rle_or_lt threshold (lambda_W * lambda_H)) as [T | T]; [exact T | exfalso].
    destruct (proj2 (sharpness_exists_iff N K pi Y lambda_W lambda_H two_classes law positive_W positive_H) T) as (a & Pa & E).
    assert (R := joint_multiplier a Pa E W h 0 Hd O classes).
    assert (Z0 : sq d (W 0%nat) = 0).
    { apply sum_zero. intros j Hj. rewrite Z by (auto using classes). ring. }
    rewrite Z0 in R.
    assert (0 < a * (INR K - 1) * lambda_H / INR K).
    { apply Rdiv_lt_0_compat; [| lra]. apply Rmult_lt_0_compat; [| lra]. apply Rmult_lt_0_compat; lra. }
    lra.
  - intros T. apply (zero_is_the_only_optimum N K d pi Y lambda_W lambda_H two_classes law positive_W positive_H W h
             (above_threshold T) O).
Qed.

Lemma uniform_unbiased : unbiased N K pi Y (fun _ => uniform K).
Proof.
  intros k Hk. rewrite <- (joint_mean 0 k) by (auto; lra). apply expect_ext.
  intros s _. unfold r, residual. now rewrite prediction_zero.
Qed.

Theorem trivial_free_bias W b h : threshold <= lambda_W * lambda_H -> optimum_free_bias W b h ->
  (forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0)
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0)
  /\ (forall k l, (k < K)%nat -> (l < K)%nat -> b k = b l).
Proof.
  intros T O.
  assert (M : L W b h <= ln (INR K)).
  { rewrite <- (zero_value N K d pi Y lambda_W lambda_H two_classes law (fun _ _ => 0) (fun _ _ => 0)) by auto.
    apply O. }
  destruct (zero_unique N K d pi Y lambda_W lambda_H two_classes law positive_W positive_H W b h
              (above_threshold T) (or_intror uniform_unbiased) M) as (ZW & ZH & ZB).
  split; [exact ZW | split; [exact ZH |]]. exact (ZB (law_inhabited N K pi Y law)).
Qed.

Theorem trivial_penalised_bias lambda_b W b h :
  threshold <= lambda_W * lambda_H -> 0 < lambda_b -> optimum_penalised_bias lambda_b W b h ->
  (forall k j, (k < K)%nat -> (j < d)%nat -> W k j = 0)
  /\ (forall s j, (s < N)%nat -> (j < d)%nat -> h s j = 0)
  /\ (forall k, (k < K)%nat -> b k = 0).
Proof.
  intros T Pb O. assert (S := sq_nonneg K b).
  assert (N0 : sq K no_bias = 0) by (apply sum_zero; intros; unfold no_bias; ring).
  assert (M : L W b h + lambda_b / 2 * sq K b <= ln (INR K)).
  { rewrite <- (zero_value N K d pi Y lambda_W lambda_H two_classes law (fun _ _ => 0) (fun _ _ => 0)) by auto.
    specialize (O (fun _ _ => 0) no_bias (fun _ _ => 0)). rewrite N0 in O. lra. }
  assert (B : ln (INR K) <= L W b h).
  { rewrite <- (uniform_entropy N K pi Y two_classes law).
    exact (weak_duality_free_bias N K pi Y classes law d lambda_W lambda_H positive_H W b h _
             (uniform_feasible N K pi Y lambda_W lambda_H two_classes (above_threshold T)) uniform_unbiased). }
  assert (Z : sq K b = 0) by nra.
  destruct (zero_unique N K d pi Y lambda_W lambda_H two_classes law positive_W positive_H W b h
              (above_threshold T) (or_intror uniform_unbiased) ltac:(nra)) as (ZW & ZH & _).
  split; [exact ZW | split; [exact ZH |]]. now apply sq_zero.
Qed.
End Joint.
