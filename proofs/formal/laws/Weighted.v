(** Minority collapse: classes of equal weight in laws whose classes have any weights.

    One-hot labels, and mixup of two classes that are drawn independently with the weights q, i = j allowed, on any
    finite grid of lambda. Two classes of the same weight q_B can be exchanged, and E (y_k - y_l)^2 / 2 = rho q_B with
    rho = E [lambda^2 + (1 - lambda)^2]; rho = 1 for one-hot labels. *)

Require Import Reals Lra Lia Arith.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Exchange Trivial Laws Merge Collapse.
Open Scope R_scope.

(** Weights of K^2 ordered pairs of classes at every point of a grid of lambda. *)
Definition pair_weight (K : nat) (w q : nat -> R) (s : nat) : R :=
  w (s / K ^ 2)%nat * (q ((s mod K ^ 2) mod K)%nat * q ((s mod K ^ 2) / K)%nat).

(** E [lambda^2 + (1 - lambda)^2]. *)
Definition concentration (T : nat) (w lambda : nat -> R) : R :=
  sum T (fun t => w t * (lambda t * lambda t + (1 - lambda t) * (1 - lambda t))).

(** ** One-hot labels *)

Theorem weighted_onehot_law K q : positive K q -> label_law K K q delta.
Proof.
  intros [P S]. split; [exact P | split; [exact S |]]. intros s Hs. split; [| now apply sum_delta_one].
  intros k _. unfold delta. destruct (Nat.eqb k s); lra.
Qed.

Lemma weight_swap (q : nat -> R) k l i : q k = q l -> q (swap k l i) = q i.
Proof.
  intros E. destruct (Nat.eq_dec i k) as [-> | A]; [rewrite swap_left; auto |].
  destruct (Nat.eq_dec i l) as [-> | B]; [rewrite swap_right; auto | now rewrite swap_other].
Qed.

Theorem weighted_onehot_pair K q k l :
  (k < K)%nat -> (l < K)%nat -> q k = q l -> exchangeable_pair K K q delta k l.
Proof.
  intros Hk Hl E f Hf. unfold expect.
  rewrite <- (sum_swap K k l (fun s => q s * f (delta s)) Hk Hl). apply sum_ext. intros s _.
  rewrite (weight_swap q k l s E). f_equal. apply Hf. intros i _. apply delta_swap.
Qed.

Lemma sum_indicator K (q : nat -> R) k l : (k < K)%nat -> (l < K)%nat -> k <> l ->
  sum K (fun i => q i * (delta i k - delta i l)) = q k - q l
  /\ sum K (fun i => q i * ((delta i k - delta i l) * (delta i k - delta i l))) = q k + q l.
Proof.
  intros Hk Hl D. split.
  - rewrite (sum_ext K _ (fun i => delta k i * q i - delta l i * q i)).
    + now rewrite sum_minus, !sum_delta.
    + intros i _. rewrite !(delta_sym i). ring.
  - rewrite (sum_ext K _ (fun i => delta k i * q i + delta l i * q i)).
    + now rewrite sum_plus, !sum_delta.
    + intros i _. rewrite !(delta_sym i).
      destruct (Nat.eq_dec i k) as [-> | A]; [rewrite delta_same, (delta_other l k) by auto; ring |].
      rewrite (delta_other k i) by auto.
      destruct (Nat.eq_dec i l) as [-> | B]; [rewrite delta_same; ring | rewrite delta_other by auto; ring].
Qed.

Theorem weighted_onehot_moment K q k l :
  (k < K)%nat -> (l < K)%nat -> k <> l -> q k = q l -> pair_moment K q delta k l = q k.
Proof.
  intros Hk Hl D E. unfold pair_moment, expect.
  destruct (sum_indicator K q k l Hk Hl D) as [_ S].
  rewrite S, E. field.
Qed.

(** ** Mixup *)

Section Mixup.
Variables (K T : nat) (w lambda q : nat -> R).
Hypothesis classes : (0 < K)%nat.

Notation N := (T * K ^ 2)%nat.

Lemma pair_expect f : reads_label K f ->
  expect N (pair_weight K w q) (fun s => f (mixup_label K lambda s))
  = sum T (fun t => w t * sum K (fun j => q j * sum K (fun i => q i * f (pair_label (lambda t) i j)))).
Proof.
  intros Hf. unfold expect. rewrite sum_prod. apply sum_ext. intros t _.
  rewrite <- sum_scal. replace (K ^ 2)%nat with (K * K)%nat by (simpl; lia). rewrite sum_prod.
  apply sum_ext. intros j Hj. rewrite <- !sum_scal. apply sum_ext. intros i Hi.
  assert (C : (j * K + i < K * K)%nat) by nia.
  unfold pair_weight, mixup_label. replace (K ^ 2)%nat with (K * K)%nat by (simpl; lia).
  rewrite pair_div, pair_mod, pair_mod, pair_div by assumption. ring.
Qed.

Lemma pair_label_swap k l lam i j m :
  pair_label lam i j (swap k l m) = pair_label lam (swap k l i) (swap k l j) m.
Proof. unfold pair_label. now rewrite !delta_swap. Qed.

Theorem weighted_mixup_law : positive K q -> lambda_grid T w lambda ->
  label_law N K (pair_weight K w q) (mixup_label K lambda).
Proof.
  intros [P S] G. destruct (mixup_law K T w lambda classes G) as (_ & _ & Lb).
  destruct G as (W & SW & _). split; [| split; [| exact Lb]].
  - intros s Hs. assert (Z : (K ^ 2 <> 0)%nat) by (apply Nat.pow_nonzero; lia).
    assert (M : (s mod K ^ 2 < K * K)%nat).
    { replace (K * K)%nat with (K ^ 2)%nat by (simpl; lia). now apply Nat.mod_upper_bound. }
    unfold pair_weight. apply Rmult_lt_0_compat; [apply W | apply Rmult_lt_0_compat; apply P].
    + apply Nat.div_lt_upper_bound; [exact Z | lia].
    + apply Nat.mod_upper_bound. lia.
    + apply Nat.div_lt_upper_bound; lia.
  - assert (E := pair_expect (fun _ => 1) ltac:(intros u v _; reflexivity)).
    unfold expect in E. rewrite (sum_ext N _ (pair_weight K w q)) in E by (intros; ring).
    rewrite E. rewrite (sum_ext T _ w); [exact SW |]. intros t _.
    rewrite (sum_ext K _ q); [rewrite S; ring |]. intros j _.
    rewrite (sum_ext K _ q); [rewrite S; ring |]. intros i _. ring.
Qed.

Theorem weighted_mixup_pair k l : (k < K)%nat -> (l < K)%nat -> q k = q l ->
  exchangeable_pair N K (pair_weight K w q) (mixup_label K lambda) k l.
Proof.
  intros Hk Hl E f Hf.
  assert (Hg : reads_label K (fun y => f (fun i => y (swap k l i)))).
  { intros u v F. apply Hf. intros i Hi. apply F. now apply swap_lt. }
  rewrite (pair_expect f Hf), (pair_expect (fun y => f (fun i => y (swap k l i))) Hg).
  apply sum_ext. intros t _. f_equal.
  rewrite <- (sum_swap K k l (fun j => q j * sum K (fun i => q i * f (pair_label (lambda t) i j))) Hk Hl).
  apply sum_ext. intros j _. rewrite (weight_swap q k l j E). f_equal.
  rewrite <- (sum_swap K k l (fun i => q i * f (pair_label (lambda t) i (swap k l j))) Hk Hl).
  apply sum_ext. intros i _. rewrite (weight_swap q k l i E). f_equal.
  apply Hf. intros m _. apply pair_label_swap.
Qed.

(** E (y_k - y_l)^2 / 2 = rho q_k. *)
Theorem weighted_mixup_moment k l : positive K q -> (k < K)%nat -> (l < K)%nat -> k <> l -> q k = q l ->
  pair_moment N (pair_weight K w q) (mixup_label K lambda) k l = concentration T w lambda * q k.
Proof.
  intros [_ S] Hk Hl D E. unfold pair_moment.
  assert (Rf : reads_label K (fun y => (y k - y l) * (y k - y l))).
  { intros u v F. now rewrite (F k Hk), (F l Hl). }
  rewrite (pair_expect _ Rf). destruct (sum_indicator K q k l Hk Hl D) as [M1 M2].
  rewrite E, Rminus_diag_eq in M1 by reflexivity.
  unfold concentration. rewrite <- sum_scal_r. unfold Rdiv. rewrite <- sum_scal_r. apply sum_ext. intros t _.
  set (a := lambda t).
  rewrite (sum_ext K _ (fun j => a * a * (q k + q l) * q j + (1 - a) * (1 - a) * (q j * ((delta j k - delta j l) * (delta j k - delta j l))))).
  - rewrite sum_plus, !sum_scal, S, M2, E. field.
  - intros j _. set (c := delta j k - delta j l).
    rewrite (sum_ext K _ (fun i => a * a * (q i * ((delta i k - delta i l) * (delta i k - delta i l)))
      + 2 * a * (1 - a) * c * (q i * (delta i k - delta i l)) + (1 - a) * (1 - a) * (c * c) * q i)).
    + rewrite !sum_plus, !sum_scal, M1, M2, S. ring.
    + intros i _. unfold c, pair_label. ring.
Qed.

(** Minority collapse under mixup: d >= K - 1, no bias, classes k and l of the same weight. *)
Theorem mixup_collapse d lambda_W lambda_H k l W h :
  positive K q -> lambda_grid T w lambda -> 0 < lambda_W -> 0 < lambda_H ->
  (k < K)%nat -> (l < K)%nat -> k <> l -> q k = q l ->
  (K - 1 <= d)%nat -> optimum N K d (pair_weight K w q) (mixup_label K lambda) lambda_W lambda_H W h ->
  ((forall j, (j < d)%nat -> W k j = W l j) <-> concentration T w lambda * q k <= lambda_W * lambda_H).
Proof.
  intros P G PW PH Hk Hl D E Hd O. rewrite <- (weighted_mixup_moment k l P Hk Hl D E).
  apply (collapse_iff N K d (pair_weight K w q) (mixup_label K lambda) lambda_W lambda_H k l classes
           (weighted_mixup_law P G) PW PH Hk Hl D (weighted_mixup_pair k l Hk Hl E) W h Hd O).
Qed.
End Mixup.

(** One-hot labels: exactly if q_k <= lambda_W lambda_H. *)
Theorem onehot_collapse K q d lambda_W lambda_H k l W h :
  positive K q -> 0 < lambda_W -> 0 < lambda_H -> (k < K)%nat -> (l < K)%nat -> k <> l -> q k = q l ->
  (K - 1 <= d)%nat -> optimum K K d q delta lambda_W lambda_H W h ->
  ((forall j, (j < d)%nat -> W k j = W l j) <-> q k <= lambda_W * lambda_H).
Proof.
  intros P PW PH Hk Hl D E Hd O. rewrite <- (weighted_onehot_moment K q k l Hk Hl D E) at 1.
  apply (collapse_iff K K d q delta lambda_W lambda_H k l ltac:(lia)
           (weighted_onehot_law K q P) PW PH Hk Hl D (weighted_onehot_pair K q k l Hk Hl E) W h Hd O).
Qed.

(** ** Label smoothing *)

Theorem smoothed_pair N K pi Y eps k l :
  exchangeable_pair N K pi Y k l -> exchangeable_pair N K pi (fun s => smoothed K eps (Y s)) k l.
Proof.
  intros X f Hf. apply (X (fun y => f (smoothed K eps y))).
  intros u v E. apply Hf. intros i Hi. unfold smoothed. now rewrite E.
Qed.

Theorem smoothed_pair_moment N K pi Y eps k l :
  pair_moment N pi (fun s => smoothed K eps (Y s)) k l = (1 - eps) * (1 - eps) * pair_moment N pi Y k l.
Proof.
  unfold pair_moment.
  rewrite (expect_ext N pi _ (fun s => (1 - eps) * (1 - eps) * ((Y s k - Y s l) * (Y s k - Y s l)))).
  - rewrite expect_scal. field.
  - intros s _. unfold smoothed. ring.
Qed.
