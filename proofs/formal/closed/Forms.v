(** Closed forms against a simplex ETF: any soft label, the same class, two classes.

    All of them are one statement: if the vector x is a (y - softmax x) up to a common shift, then h = (1/g) transpose(W) x
    is the only minimum of cross-entropy with a ridge, where a = g/ridge. *)

Require Import Reals Lra Lia.
From Coquelicot Require Rcomplements.
From UFM Require Import Sums Entropy Convex Gap Design Answer Frame.
Open Scope R_scope.

(** h costs no more than any other point, and any that costs no more has the same entries. *)
Definition only_minimum (d : nat) (f : (nat -> R) -> R) (h : nat -> R) : Prop :=
  (forall h', f h <= f h') /\ (forall h', f h' <= f h -> forall j, (j < d)%nat -> h' j = h j).

Lemma ridge_loss_ext K d W ridge y h h' :
  (forall j, (j < d)%nat -> h j = h' j) -> ridge_loss K d W ridge y h = ridge_loss K d W ridge y h'.
Proof.
  intros E. unfold ridge_loss. rewrite (sq_ext d h h' E). f_equal.
  assert (Q : forall l, mul d W h l = mul d W h' l) by (intros; now apply mul_ext).
  apply sum_ext. intros k _. rewrite Q. unfold lse, esum. do 3 f_equal.
  apply sum_ext. intros. now rewrite Q.
Qed.

Lemma only_minimum_ext K d W ridge y h h' :
  (forall j, (j < d)%nat -> h j = h' j) ->
  only_minimum d (ridge_loss K d W ridge y) h -> only_minimum d (ridge_loss K d W ridge y) h'.
Proof.
  intros E [M U]. split.
  - intros u. rewrite <- (ridge_loss_ext K d W ridge y h h' E). apply M.
  - intros u B j Hj. rewrite <- E by exact Hj. apply U; [| exact Hj].
    now rewrite (ridge_loss_ext K d W ridge y h h' E).
Qed.

Section Forms.
Variables (K d : nat) (W : nat -> nat -> R) (g ridge : R).
Hypothesis classes : (0 < K)%nat.
Hypothesis simplex_W : gram_is K d W (simplex_gram K g).
Hypothesis positive_g : 0 < g.
Hypothesis positive_ridge : 0 < ridge.

Let a := g / ridge.

Lemma sharpness_pos : 0 < a.
Proof. now apply Rdiv_lt_0_compat. Qed.

Lemma sharpness_ridge : a * ridge = g.
Proof. unfold a. field. lra. Qed.

(** transpose(W) forgets a common shift. *)
Lemma simplex_tmul_shift x t j : (j < d)%nat -> tmul K W (fun k => x k - t) j = tmul K W x j.
Proof.
  intros Hj. rewrite tmul_minus.
  assert (Z : tmul K W (fun _ => t) j = 0).
  { assert (C := gram_zero_columns K d W _ simplex_W (simplex_gram_rows K g classes) j Hj).
    unfold tmul. rewrite sum_scal_r. change (fun k => W k j) with (column W j). rewrite C. ring. }
  rewrite Z. ring.
Qed.

Lemma stationary_only_minimum y h :
  sum K y = 1 -> stationary d (ridge_grad K d W ridge y) h -> only_minimum d (ridge_loss K d W ridge y) h.
Proof.
  intros HY S. split.
  - now apply (minimum_iff_stationary K d W ridge y h classes HY positive_ridge).
  - intros h' M. exact (stationary_unique d ridge _ _ positive_ridge (ridge_loss_convex K d W ridge y classes HY)
                          h h' S M).
Qed.

Theorem logits_optimum y x t :
  sum K y = 1 -> (forall k, (k < K)%nat -> a * (y k - softmax K x k) = x k - t) ->
  only_minimum d (ridge_loss K d W ridge y) (fun j => tmul K W x j / g).
Proof.
  intros HY E. apply stationary_only_minimum; [exact HY |].
  assert (Pa := sharpness_pos). assert (SR := sharpness_ridge).
  set (v := fun k => y k - softmax K x k).
  assert (SV : sum K v = 0) by (unfold v; rewrite sum_minus, HY, softmax_sum by exact classes; ring).
  assert (T : forall j, (j < d)%nat -> tmul K W x j = a * tmul K W v j).
  { intros j Hj. rewrite <- (simplex_tmul_shift x t j Hj), <- tmul_scal. apply tmul_ext.
    intros k Hk. symmetry. now apply E. }
  assert (Z : forall k, (k < K)%nat -> mul d W (fun j => tmul K W x j / g) k = x k - t).
  { intros k Hk.
    rewrite (mul_ext d W _ (fun j => / ridge * tmul K W v j)).
    - rewrite mul_scal, (simplex_mul_tmul K d W g v k simplex_W Hk SV), <- E by exact Hk.
      unfold v, a. field. lra.
    - intros j Hj. rewrite T by exact Hj. unfold a. field. lra. }
  intros j Hj. unfold ridge_grad.
  rewrite (tmul_ext K W _ (fun k => (-1) * v k) j).
  - rewrite tmul_scal, T by exact Hj. unfold a. field. lra.
  - intros k Hk.
    rewrite (softmax_ext K _ (fun l => x l + - t) k Hk), softmax_shift by (auto; intros; rewrite Z by auto; ring).
    unfold v. ring.
Qed.

(** ** Any soft label *)

Theorem soft_label_optimum y : sum K y = 1 ->
  only_minimum d (ridge_loss K d W ridge y) (fun j => tmul K W (fun k => y k - prediction K a y k) j / ridge).
Proof.
  intros HY. assert (Pa := sharpness_pos).
  set (p := prediction K a y). set (x := fun k => a * (y k - p k)).
  assert (A := prediction_answers K a y classes (Rlt_le _ _ Pa)).
  assert (S : forall k, (k < K)%nat -> softmax K x k = p k) by (apply answers_softmax; [exact classes | apply A | exact A]).
  apply (only_minimum_ext K d W ridge y (fun j => tmul K W x j / g)).
  - intros j _. unfold x. rewrite tmul_scal. unfold a. field. lra.
  - apply (logits_optimum y x 0 HY). intros k Hk. rewrite S by exact Hk. unfold x. ring.
Qed.

(** The optimum moves with the label by at most sqrt g/ridge = m sqrt(K/(K-1))/ridge times as far. *)
Theorem soft_label_lipschitz y y' : sum K y = 1 -> sum K y' = 1 ->
  forall h h', (forall u, ridge_loss K d W ridge y h <= ridge_loss K d W ridge y u) ->
  (forall u, ridge_loss K d W ridge y' h' <= ridge_loss K d W ridge y' u) ->
  norm d (minus_ h' h) <= sqrt g / ridge * norm K (minus_ y y').
Proof.
  intros HY HY' h h' M M'.
  assert (B := CE_label_lipschitz K d W ridge y y' h h' classes HY HY' positive_ridge
                 (proj1 (minimum_iff_stationary K d W ridge y h classes HY positive_ridge) M)
                 (proj1 (minimum_iff_stationary K d W ridge y' h' classes HY' positive_ridge) M')).
  replace (sqrt g / ridge * norm K (minus_ y y')) with (norm d (tmul K W (minus_ y y')) / ridge); [exact B |].
  assert (S : sum K (minus_ y y') = 0) by (unfold minus_; rewrite sum_minus, HY, HY'; ring).
  unfold norm. rewrite (simplex_tmul_sq K d W g _ simplex_W S), sqrt_mult by (try apply sq_nonneg; lra).
  field. lra.
Qed.

(** ** The same class twice: x (e^x + K - 1) = a K *)

Definition same_class_equation (x : R) : Prop := x * (exp x + INR K - 1) = a * INR K.

Lemma esum_delta_scal c x : (c < K)%nat -> esum K (fun k => x * delta c k) = exp x + INR K - 1.
Proof.
  intros Hc. unfold esum.
  rewrite (sum_ext K _ (fun k => delta c k * (exp x - 1) + 1)).
  - rewrite sum_plus, sum_const, (sum_delta K c (fun _ => exp x - 1)) by exact Hc. ring.
  - intros k _. destruct (Nat.eq_dec k c) as [-> | D].
    + rewrite delta_same. replace (x * 1) with x by ring. ring.
    + rewrite delta_other by exact D. rewrite Rmult_0_r, exp_0. ring.
Qed.

Theorem same_class_optimum c x : (c < K)%nat -> same_class_equation x ->
  only_minimum d (ridge_loss K d W ridge (delta c)) (fun j => x / g * W c j).
Proof.
  intros Hc E. unfold same_class_equation in E.
  assert (PK : 1 <= INR K) by (apply (le_INR 1); lia).
  assert (Px := exp_pos x).
  assert (Z : exp x + INR K - 1 <> 0) by lra.
  assert (Ea : a = x * (exp x + INR K - 1) / INR K) by (rewrite E; field; lra).
  apply (only_minimum_ext K d W ridge _ (fun j => tmul K W (fun k => x * delta c k) j / g)).
  - intros j _. rewrite tmul_scal. unfold tmul.
    rewrite (sum_ext K _ (fun k => delta c k * W k j)) by (intros; ring).
    rewrite sum_delta by exact Hc. field. lra.
  - apply (logits_optimum (delta c) _ (x / INR K)); [now apply sum_delta_one |].
    intros k _. unfold softmax. rewrite esum_delta_scal by exact Hc. rewrite Ea.
    destruct (Nat.eq_dec k c) as [-> | D].
    + rewrite delta_same. replace (x * 1) with x by ring. field. lra.
    + rewrite delta_other by exact D. rewrite Rmult_0_r, exp_0. field. lra.
Qed.

Theorem same_class_root : exists x, 0 < x /\ same_class_equation x /\ (forall y, same_class_equation y -> y = x).
Proof.
  assert (Pa := sharpness_pos).
  assert (PK : 1 <= INR K) by (apply (le_INR 1); lia).
  set (f := fun x => x * (exp x + INR K - 1) - a * INR K).
  assert (C : continuity f) by (unfold f; reg).
  assert (PA : 0 < a * INR K) by (apply Rmult_lt_0_compat; lra).
  destruct (IVT f 0 (a * INR K) C PA) as [x [[X0 X1] E]].
  - unfold f. lra.
  - unfold f. assert (1 < exp (a * INR K)) by (rewrite <- exp_0; now apply exp_increasing). nra.
  - unfold f in E.
    assert (Px : 0 < x) by (destruct X0 as [X0 | <-]; [exact X0 | lra]).
    assert (Ex : same_class_equation x) by (unfold same_class_equation; lra).
    exists x. split; [exact Px | split; [exact Ex |]].
    intros y Ey. unfold same_class_equation in *.
    assert (ExpY := exp_pos y). assert (Py : 0 < y) by nra.
    destruct (Rtotal_order y x) as [L | [L | L]]; [| exact L |].
    + assert (exp y < exp x) by now apply exp_increasing. nra.
    + assert (exp x < exp y) by (apply exp_increasing; exact L). assert (ExpX := exp_pos x). nra.
Qed.

(** Whatever the mixing coefficient, the label of one class with itself is that class. *)
Theorem same_class_any_lambda lambda c k : lambda * delta c k + (1 - lambda) * delta c k = delta c k.
Proof. ring. Qed.

(** And mixing two losses is the loss of the mixed label. *)
Theorem mixed_loss lambda i j z : (i < K)%nat -> (j < K)%nat ->
  lambda * CE K z (delta i) + (1 - lambda) * CE K z (delta j)
  = CE K z (fun k => lambda * delta i k + (1 - lambda) * delta j k).
Proof.
  intros _ _. unfold CE. rewrite <- !sum_scal, <- sum_plus. apply sum_ext. intros. ring.
Qed.
End Forms.
