(** The joint theorem is not vacuous: one-hot labels, mixup, k-way mixing and label smoothing are exchangeable.

    Mixing coefficients are any finite grid of T points with weights [w]; classes are drawn uniformly, with
    replacement. Coq holds finite laws only: Beta coefficients enter through the limit of [mixup_threshold]. *)

Require Import Reals Lra Lia Arith.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Exchange Trivial.
Open Scope R_scope.

(** ** Sums over pairs of indices *)

Lemma sum_app m n f : sum (m + n) f = sum m f + sum n (fun j => f (m + j)%nat).
Proof.
  induction n as [| n IH]; [rewrite Nat.add_0_r; simpl; ring |].
  rewrite Nat.add_succ_r. simpl. rewrite IH. ring.
Qed.

Lemma sum_prod a b f : sum (a * b) f = sum a (fun i => sum b (fun j => f (i * b + j)%nat)).
Proof.
  induction a as [| a IH]; [reflexivity |].
  replace (S a * b)%nat with (a * b + b)%nat by (simpl; lia). rewrite sum_app, IH. reflexivity.
Qed.

Lemma pair_div i b j : (j < b)%nat -> ((i * b + j) / b)%nat = i.
Proof. intros H. rewrite Nat.div_add_l by lia. rewrite Nat.div_small by exact H. lia. Qed.

Lemma pair_mod i b j : (j < b)%nat -> ((i * b + j) mod b)%nat = j.
Proof. intros H. rewrite Nat.add_comm, Nat.mod_add by lia. now apply Nat.mod_small. Qed.

(** ** k-way mixing *)

(** Sum of n basis vectors with coefficients u; their classes are the digits of c in base K. *)
Fixpoint mixed_label (K n : nat) (u : nat -> R) (c k : nat) : R :=
  match n with
  | O => 0
  | S m => u m * delta (c mod K) k + mixed_label K m u (c / K) k
  end.

(** N = T K^n labels: grid point s / K^n, classes s mod K^n. *)
Definition kway_weight (K n : nat) (w : nat -> R) (s : nat) : R := w (s / K ^ n)%nat / INR (K ^ n).
Definition kway_label (K n : nat) (u : nat -> nat -> R) (s : nat) : nat -> R :=
  mixed_label K n (u (s / K ^ n)%nat) (s mod K ^ n).

(** Positive weights of sum one; coefficients that are not negative and sum to one at every grid point. *)
Definition mixing_grid (T n : nat) (w : nat -> R) (u : nat -> nat -> R) : Prop :=
  (forall t, (t < T)%nat -> 0 < w t) /\ sum T w = 1
  /\ (forall t l, (t < T)%nat -> (l < n)%nat -> 0 <= u t l) /\ (forall t, (t < T)%nat -> sum n (u t) = 1).

Section Kway.
Variables (K : nat).
Hypothesis classes : (0 < K)%nat.

Lemma power_pos n : (0 < K ^ n)%nat.
Proof. assert (K ^ n <> 0)%nat by (apply Nat.pow_nonzero; lia). lia. Qed.

Lemma sum_codes n (f : (nat -> R) -> R) (v : nat -> R) u : reads_label K f ->
  sum (K ^ S n) (fun c => f (fun k => v k + mixed_label K (S n) u c k))
  = sum K (fun i => sum (K ^ n) (fun c => f (fun k => v k + u n * delta i k + mixed_label K n u c k))).
Proof.
  intros Hf. rewrite <- sum_exchange. replace (K ^ S n)%nat with (K ^ n * K)%nat by (simpl; lia).
  rewrite sum_prod. apply sum_ext. intros c Hc. apply sum_ext. intros i Hi.
  apply Hf. intros k Hk. cbn [mixed_label]. rewrite pair_mod, pair_div by exact Hi. ring.
Qed.

(** Exchanging two classes in every label permutes the labels. *)
Lemma mixed_swap n i j f : (i < K)%nat -> (j < K)%nat -> reads_label K f -> forall u v,
  sum (K ^ n) (fun c => f (fun k => v (swap i j k) + mixed_label K n u c (swap i j k)))
  = sum (K ^ n) (fun c => f (fun k => v (swap i j k) + mixed_label K n u c k)).
Proof.
  intros Hi Hj Hf. induction n as [| n IH]; intros u v; [reflexivity |].
  assert (Hg : reads_label K (fun y => f (fun k => y (swap i j k)))).
  { intros y y' E. apply Hf. intros k Hk. apply E. now apply swap_lt. }
  rewrite (sum_codes n (fun y => f (fun k => y (swap i j k))) v u Hg).
  rewrite (sum_codes n f (fun k => v (swap i j k)) u Hf).
  rewrite (sum_ext K _ (fun b => sum (K ^ n) (fun c =>
    f (fun k => v (swap i j k) + u n * delta (swap i j b) k + mixed_label K n u c k)))).
  - apply (sum_swap K i j (fun b => sum (K ^ n) (fun c =>
      f (fun k => v (swap i j k) + u n * delta b k + mixed_label K n u c k)))); auto.
  - intros b _. rewrite (IH u (fun k => v k + u n * delta b k)).
    apply sum_ext. intros c _. apply Hf. intros k _. now rewrite delta_swap.
Qed.

Lemma mixed_nonneg n u : (forall l, (l < n)%nat -> 0 <= u l) -> forall c k, 0 <= mixed_label K n u c k.
Proof.
  induction n as [| n IH]; intros U c k; simpl; [lra |].
  assert (0 <= u n) by auto.
  assert (0 <= mixed_label K n u (c / K) k) by (apply IH; auto).
  unfold delta. destruct (Nat.eqb k (c mod K)); nra.
Qed.

Lemma mixed_sum n u c : sum K (mixed_label K n u c) = sum n u.
Proof.
  revert c. induction n as [| n IH]; intros c; cbn [mixed_label sum].
  - now apply sum_zero.
  - rewrite sum_plus, sum_scal, sum_delta_one, IH by (apply Nat.mod_upper_bound; lia). ring.
Qed.

(** The mean of |y|^2 over all draws of the classes. *)
Lemma mixed_sq n u :
  sum (K ^ n) (fun c => sq K (mixed_label K n u c))
  = INR (K ^ n) * (sum n (fun l => u l * u l) + (sum n u * sum n u - sum n (fun l => u l * u l)) / INR K).
Proof.
  assert (PK : 0 < INR K) by now apply lt_0_INR.
  induction n as [| n IH].
  - assert (Z : forall c, sq K (mixed_label K 0 u c) = 0) by (intros c; apply sum_zero; intros; simpl; ring).
    rewrite sum_zero by auto. simpl. field. lra.
  - replace (K ^ S n)%nat with (K ^ n * K)%nat by (simpl; lia). rewrite sum_prod.
    rewrite (sum_ext (K ^ n) _ (fun c => INR K * (u n * u n) + 2 * u n * sum n u + INR K * sq K (mixed_label K n u c))).
    + rewrite sum_plus, sum_scal, IH, sum_const, mult_INR. cbn [sum]. field. lra.
    + intros c _.
      rewrite (sum_ext K _ (fun i => u n * u n + 2 * u n * mixed_label K n u c i + sq K (mixed_label K n u c))).
      * rewrite !sum_plus, !sum_const, sum_scal, mixed_sum. ring.
      * intros i Hi. cbn [mixed_label]. rewrite pair_mod, pair_div by exact Hi.
        assert (E : forall m y, sq m (fun k => u n * delta i k + y k)
                    = u n * u n * sum m (fun k => delta i k * delta i k)
                      + 2 * u n * sum m (fun k => delta i k * y k) + sq m y) by (intros m y; sums m).
        rewrite E, !sum_delta, delta_same by exact Hi. ring.
Qed.

Variables (T n : nat) (w : nat -> R) (u : nat -> nat -> R).
Hypothesis grid : mixing_grid T n w u.

Notation N := (T * K ^ n)%nat.

Lemma kway_expect f :
  expect N (kway_weight K n w) (fun s => f (kway_label K n u s))
  = sum T (fun t => w t / INR (K ^ n) * sum (K ^ n) (fun c => f (mixed_label K n (u t) c))).
Proof.
  unfold expect. rewrite sum_prod. apply sum_ext. intros t _. rewrite <- sum_scal.
  apply sum_ext. intros c Hc. unfold kway_weight, kway_label.
  now rewrite pair_div, pair_mod by exact Hc.
Qed.

Theorem kway_law : label_law N K (kway_weight K n w) (kway_label K n u).
Proof.
  destruct grid as (W & S & U & US). assert (PP := power_pos n).
  assert (IP : 0 < INR (K ^ n)) by now apply lt_0_INR.
  assert (TT : forall s, (s < N)%nat -> (s / K ^ n < T)%nat).
  { intros s Hs. apply Nat.div_lt_upper_bound; lia. }
  split; [| split].
  - intros s Hs. apply Rdiv_lt_0_compat; auto.
  - rewrite sum_prod. rewrite (sum_ext T _ w); [exact S |].
    intros t Ht. rewrite (sum_ext _ _ (fun _ => w t / INR (K ^ n))).
    + rewrite sum_const. field. lra.
    + intros c Hc. unfold kway_weight. now rewrite pair_div by exact Hc.
  - intros s Hs. split; [intros; apply mixed_nonneg; auto |].
    unfold kway_label. rewrite mixed_sum. auto.
Qed.

Theorem kway_exchangeable : exchangeable N K (kway_weight K n w) (kway_label K n u).
Proof.
  intros i j f Hi Hj Hf.
  rewrite (kway_expect f), (kway_expect (fun y => f (fun k => y (swap i j k)))).
  apply sum_ext. intros t _. f_equal.
  assert (E := mixed_swap n i j f Hi Hj Hf (u t) (fun _ => 0)).
  rewrite (sum_ext _ (fun c => f (fun k => mixed_label K n (u t) c (swap i j k)))
             (fun c => f (fun k => 0 + mixed_label K n (u t) c (swap i j k)))).
  - rewrite E. apply sum_ext. intros c _. apply Hf. intros. ring.
  - intros c _. apply Hf. intros. ring.
Qed.

(** sigma^2 = E sum_l u_l^2 / K. *)
Theorem kway_threshold : (1 < K)%nat ->
  threshold N K (kway_weight K n w) (kway_label K n u) = sum T (fun t => w t * sum n (fun l => u t l * u t l)) / INR K.
Proof.
  intros HK. destruct grid as (W & S & U & US).
  assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  assert (IP : 0 < INR (K ^ n)) by (apply lt_0_INR, power_pos).
  unfold threshold. rewrite (kway_expect (sq K)).
  set (conc := sum T (fun t => w t * sum n (fun l => u t l * u t l))).
  rewrite (sum_ext T _ (fun t => (1 - / INR K) * (w t * sum n (fun l => u t l * u t l)) + / INR K * w t)).
  - rewrite sum_plus, !sum_scal, S. fold conc. field. lra.
  - intros t Ht. rewrite mixed_sq, US by exact Ht. field. lra.
Qed.
End Kway.

(** ** Mixup and one-hot labels *)

(** lambda e_i + (1 - lambda) e_j, for all K^2 ordered pairs of classes at every point of a grid of lambda. *)
Definition pair_label (lambda : R) (i j k : nat) : R := lambda * delta i k + (1 - lambda) * delta j k.

Definition mixup_label (K : nat) (lambda : nat -> R) (s : nat) : nat -> R :=
  pair_label (lambda (s / K ^ 2)%nat) ((s mod K ^ 2) mod K) ((s mod K ^ 2) / K).

Definition mixup_coefficients (lambda : nat -> R) (t l : nat) : R :=
  match l with O => 1 - lambda t | _ => lambda t end.

Definition lambda_grid (T : nat) (w lambda : nat -> R) : Prop :=
  (forall t, (t < T)%nat -> 0 < w t) /\ sum T w = 1 /\ (forall t, (t < T)%nat -> 0 <= lambda t <= 1).

Lemma mixup_is_kway K lambda s k :
  (0 < K)%nat -> mixup_label K lambda s k = kway_label K 2 (mixup_coefficients lambda) s k.
Proof.
  intros HK. unfold mixup_label, kway_label, pair_label. cbn [mixed_label mixup_coefficients].
  assert (B : ((s mod K ^ 2) / K < K)%nat).
  { apply Nat.div_lt_upper_bound; [lia |].
    assert (M : (s mod K ^ 2 < K ^ 2)%nat) by (apply Nat.mod_upper_bound, Nat.pow_nonzero; lia).
    simpl in *. lia. }
  rewrite (Nat.mod_small ((s mod K ^ 2) / K)) by exact B. ring.
Qed.

Lemma mixup_grid T w lambda : lambda_grid T w lambda -> mixing_grid T 2 w (mixup_coefficients lambda).
Proof.
  intros (W & S & L). split; [exact W | split; [exact S | split]].
  - intros t l Ht _. specialize (L t Ht). destruct l; simpl; lra.
  - intros t Ht. simpl. ring.
Qed.

Lemma exchangeable_ext N K pi Y Y' :
  (forall s k, (s < N)%nat -> (k < K)%nat -> Y s k = Y' s k) -> exchangeable N K pi Y -> exchangeable N K pi Y'.
Proof.
  intros E X i j f Hi Hj Hf.
  rewrite (expect_ext N pi (fun s => f (Y' s)) (fun s => f (Y s))).
  - rewrite (expect_ext N pi (fun s => f (fun k => Y' s (swap i j k))) (fun s => f (fun k => Y s (swap i j k)))).
    + now apply X.
    + intros s Hs. apply Hf. intros k Hk. symmetry. apply E; auto. now apply swap_lt.
  - intros s Hs. apply Hf. intros k Hk. symmetry. now apply E.
Qed.

Theorem mixup_law K T w lambda : (0 < K)%nat -> lambda_grid T w lambda ->
  label_law (T * K ^ 2) K (kway_weight K 2 w) (mixup_label K lambda).
Proof.
  intros HK G. destruct (kway_law K HK T 2 w _ (mixup_grid T w lambda G)) as (A & B & C).
  split; [exact A | split; [exact B |]]. intros s Hs. destruct (C s Hs) as [P S]. split.
  - intros k Hk. rewrite mixup_is_kway by exact HK. auto.
  - rewrite <- S. apply sum_ext. intros. now apply mixup_is_kway.
Qed.

Theorem mixup_exchangeable K T w lambda : (0 < K)%nat ->
  exchangeable (T * K ^ 2) K (kway_weight K 2 w) (mixup_label K lambda).
Proof.
  intros HK. apply (exchangeable_ext _ _ _ (kway_label K 2 (mixup_coefficients lambda))).
  - intros. symmetry. now apply mixup_is_kway.
  - now apply kway_exchangeable.
Qed.

(** sigma^2 = E [lambda^2 + (1 - lambda)^2] / K. *)
Theorem mixup_threshold K T w lambda : (1 < K)%nat -> lambda_grid T w lambda ->
  threshold (T * K ^ 2) K (kway_weight K 2 w) (mixup_label K lambda)
  = sum T (fun t => w t * (lambda t * lambda t + (1 - lambda t) * (1 - lambda t))) / INR K.
Proof.
  intros HK G.
  transitivity (threshold (T * K ^ 2) K (kway_weight K 2 w) (kway_label K 2 (mixup_coefficients lambda))).
  - unfold threshold. do 2 f_equal. apply expect_ext. intros s _. apply sq_ext. intros k _.
    apply mixup_is_kway. lia.
  - rewrite (kway_threshold K ltac:(lia) T 2 w _ (mixup_grid T w lambda G) HK). f_equal.
    apply sum_ext. intros t _. simpl. ring.
Qed.

(** Where the grids' E [lambda^2 + (1 - lambda)^2] tends to that of Beta(alpha, alpha), (alpha+1)/(2 alpha+1), the
    thresholds tend to (alpha+1)/((2 alpha+1) K). *)
Theorem mixup_threshold_limit K (T : nat -> nat) (w lambda : nat -> nat -> R) alpha :
  (1 < K)%nat -> 0 < alpha -> (forall n, lambda_grid (T n) (w n) (lambda n)) ->
  Un_cv (fun n => sum (T n) (fun t => w n t * (lambda n t * lambda n t + (1 - lambda n t) * (1 - lambda n t))))
        ((alpha + 1) / (2 * alpha + 1)) ->
  Un_cv (fun n => threshold (T n * K ^ 2) K (kway_weight K 2 (w n)) (mixup_label K (lambda n)))
        ((alpha + 1) / ((2 * alpha + 1) * INR K)).
Proof.
  intros HK Pa G C e He. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  destruct (C (e * INR K) ltac:(apply Rmult_lt_0_compat; lra)) as [n0 H]. exists n0. intros n Hn.
  rewrite (mixup_threshold K (T n) (w n) (lambda n) HK (G n)).
  specialize (H n Hn). unfold R_dist in *.
  set (rho := sum (T n) _) in *.
  replace (rho / INR K - (alpha + 1) / ((2 * alpha + 1) * INR K))
    with ((rho - (alpha + 1) / (2 * alpha + 1)) * / INR K) by (field; lra).
  rewrite Rabs_mult, (Rabs_pos_eq (/ INR K)) by (apply Rlt_le, Rinv_0_lt_compat; lra).
  apply Rmult_lt_reg_r with (INR K); [lra |]. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(** One-hot labels of equal weight. *)
Theorem onehot_law K : (0 < K)%nat -> label_law K K (uniform K) delta.
Proof.
  intros HK. split; [apply uniform_positive; exact HK | split].
  - now apply uniform_positive.
  - intros s Hs. split; [| now apply sum_delta_one].
    intros k _. unfold delta. destruct (Nat.eqb k s); lra.
Qed.

Theorem onehot_exchangeable K : exchangeable K K (uniform K) delta.
Proof.
  intros i j f Hi Hj Hf. unfold expect, uniform. rewrite !sum_scal. f_equal.
  rewrite (sum_ext K _ (fun s => f (delta (swap i j s)))).
  - now apply (sum_swap K i j (fun s => f (delta s))).
  - intros s _. apply Hf. intros k _. apply delta_swap.
Qed.

Theorem onehot_threshold K : (1 < K)%nat -> threshold K K (uniform K) delta = / INR K.
Proof.
  intros HK. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia). unfold threshold.
  rewrite (expect_ext K _ _ (fun _ => 1)).
  - rewrite expect_const by (apply uniform_positive; lia). field. lra.
  - intros s Hs. unfold sq. now rewrite sum_delta, delta_same.
Qed.

(** ** Label smoothing on top of any exchangeable law *)

Definition smoothed (K : nat) (eps : R) (y : nat -> R) (k : nat) : R := (1 - eps) * y k + eps / INR K.

Theorem smoothed_law N K pi Y eps :
  (0 < K)%nat -> 0 <= eps <= 1 -> label_law N K pi Y -> label_law N K pi (fun s => smoothed K eps (Y s)).
Proof.
  intros HK He (P & T & L). assert (PK : 0 < INR K) by now apply lt_0_INR.
  split; [exact P | split; [exact T |]]. intros s Hs. destruct (L s Hs) as [Q S]. split.
  - intros k Hk. specialize (Q k Hk). unfold smoothed.
    assert (0 <= eps / INR K) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]). nra.
  - unfold smoothed. rewrite sum_plus, sum_scal, S, sum_const. field. lra.
Qed.

Theorem smoothed_exchangeable N K pi Y eps :
  exchangeable N K pi Y -> exchangeable N K pi (fun s => smoothed K eps (Y s)).
Proof.
  intros X i j f Hi Hj Hf.
  apply (X i j (fun y => f (smoothed K eps y)) Hi Hj).
  intros u v E. apply Hf. intros k Hk. unfold smoothed. now rewrite E.
Qed.

Theorem smoothed_threshold N K pi Y eps : (1 < K)%nat -> label_law N K pi Y ->
  threshold N K pi (fun s => smoothed K eps (Y s)) = (1 - eps) * (1 - eps) * threshold N K pi Y.
Proof.
  intros HK law. assert (PK : 1 < INR K) by (apply (lt_INR 1); lia). unfold threshold.
  rewrite (expect_ext N pi (fun s => sq K (smoothed K eps (Y s)))
    (fun s => (1 - eps) * (1 - eps) * sq K (Y s) + (1 - (1 - eps) * (1 - eps)) * / INR K)).
  - rewrite expect_plus, expect_scal, expect_const by apply law. field. lra.
  - intros s Hs.
    assert (E : forall n y t, sq n (fun k => (1 - eps) * y k + t)
      = (1 - eps) * (1 - eps) * sq n y + 2 * (1 - eps) * t * sum n y + INR n * (t * t)).
    { intros n y t. rewrite <- sum_const. sums n. }
    unfold smoothed. rewrite (E K (Y s)), (label_sum N K pi Y law s Hs). field. lra.
Qed.
