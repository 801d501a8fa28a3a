(** Mixup of two different classes: all ordered pairs i <> j, on any finite grid of lambda.

    The law is exchangeable, and sigma^2 = (rho - 1/K)/(K - 1) with rho = E [lambda^2 + (1 - lambda)^2]. *)

Require Import Reals Lra Lia Arith.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Exchange Trivial Laws.
Open Scope R_scope.

(** The classes other than i, in order. *)
Definition other_class (i r : nat) : nat := if lt_dec r i then r else S r.

(** T K (K - 1) labels: grid point s / (K (K - 1)), first class, which of the other classes. *)
Definition distinct_weight (K : nat) (w : nat -> R) (s : nat) : R :=
  w (s / (K * (K - 1)))%nat / INR (K * (K - 1)).

Definition distinct_label (K : nat) (lambda : nat -> R) (s : nat) : nat -> R :=
  let c := (s mod (K * (K - 1)))%nat in
  pair_label (lambda (s / (K * (K - 1)))%nat) (c / (K - 1)) (other_class (c / (K - 1)) (c mod (K - 1))).

Lemma sum_others n i (g : nat -> R) : (i <= n)%nat -> sum n (fun r => g (other_class i r)) + g i = sum (S n) g.
Proof.
  induction n as [| n IH]; intros H.
  - replace i with 0%nat by lia. reflexivity.
  - change (sum (S (S n)) g) with (sum (S n) g + g (S n)).
    destruct (Nat.eq_dec i (S n)) as [-> | D].
    + f_equal. apply sum_ext. intros r Hr. unfold other_class. destruct (lt_dec r (S n)); [reflexivity | lia].
    + rewrite <- IH by lia. cbn [sum]. replace (other_class i n) with (S n); [ring |].
      unfold other_class. destruct (lt_dec n i); [lia | reflexivity].
Qed.

Section Distinct.
Variables (K T : nat) (w lambda : nat -> R).
Hypothesis two_classes : (1 < K)%nat.

Notation M := (K * (K - 1))%nat.
Notation N := (T * (K * (K - 1)))%nat.

Lemma distinct_pos : (0 < M)%nat.
Proof. nia. Qed.

(** All pairs, less those of one class. *)
Lemma distinct_expect f :
  expect N (distinct_weight K w) (fun s => f (distinct_label K lambda s))
  = sum T (fun t => w t / INR M *
      (sum K (fun i => sum K (fun j => f (pair_label (lambda t) i j))) - sum K (fun i => f (pair_label (lambda t) i i)))).
Proof.
  assert (P := distinct_pos). unfold expect. rewrite sum_prod. apply sum_ext. intros t _.
  rewrite <- sum_minus.
  rewrite (sum_ext K (fun i => _ - _) (fun i => sum (K - 1) (fun r => f (pair_label (lambda t) i (other_class i r))))).
  - rewrite <- sum_scal. rewrite sum_prod. apply sum_ext. intros i Hi. rewrite <- sum_scal. apply sum_ext. intros r Hr.
    assert (C : (i * (K - 1) + r < M)%nat) by nia.
    unfold distinct_weight, distinct_label. cbv zeta.
    now rewrite (pair_div t M), (pair_mod t M), pair_div, pair_mod by assumption.
  - intros i Hi. assert (E := sum_others (K - 1) i (fun j => f (pair_label (lambda t) i j)) ltac:(lia)).
    replace (S (K - 1)) with K in E by lia. lra.
Qed.

Theorem distinct_law : lambda_grid T w lambda -> label_law N K (distinct_weight K w) (distinct_label K lambda).
Proof.
  intros (W & SW & L). assert (P := distinct_pos). assert (PM : 0 < INR M) by now apply lt_0_INR.
  assert (Q : forall s, (s < N)%nat -> (s / M < T)%nat) by (intros s Hs; apply Nat.div_lt_upper_bound; lia).
  split; [| split].
  - intros s Hs. apply Rdiv_lt_0_compat; auto.
  - rewrite sum_prod. rewrite (sum_ext T _ w); [exact SW |]. intros t _.
    rewrite (sum_ext M _ (fun _ => w t / INR M)).
    + rewrite sum_const. field. lra.
    + intros c Hc. unfold distinct_weight. now rewrite pair_div by exact Hc.
  - intros s Hs. unfold distinct_label. cbv zeta. set (c := (s mod M)%nat).
    assert (C : (c < M)%nat) by (apply Nat.mod_upper_bound; lia).
    assert (I : (c / (K - 1) < K)%nat) by (apply Nat.div_lt_upper_bound; lia).
    assert (R : (c mod (K - 1) < K - 1)%nat) by (apply Nat.mod_upper_bound; lia).
    assert (J : (other_class (c / (K - 1)) (c mod (K - 1)) < K)%nat)
      by (unfold other_class; destruct (lt_dec (c mod (K - 1)) (c / (K - 1))); lia).
    specialize (L (s / M)%nat (Q s Hs)). split.
    + intros k _. unfold pair_label, delta.
      destruct (Nat.eqb k (c / (K - 1))), (Nat.eqb k (other_class (c / (K - 1)) (c mod (K - 1)))); lra.
    + unfold pair_label. rewrite sum_plus, !sum_scal, !sum_delta_one by assumption. ring.
Qed.

Theorem distinct_exchangeable : exchangeable N K (distinct_weight K w) (distinct_label K lambda).
Proof.
  intros i j f Hi Hj Hf.
  rewrite (distinct_expect f), (distinct_expect (fun y => f (fun k => y (swap i j k)))).
  apply sum_ext. intros t _. f_equal. set (lam := lambda t).
  assert (E : forall a b, f (fun k => pair_label lam a b (swap i j k)) = f (pair_label lam (swap i j a) (swap i j b))).
  { intros a b. apply Hf. intros k _. unfold pair_label. now rewrite !delta_swap. }
  f_equal.
  - rewrite <- (sum_swap K i j (fun a => sum K (fun b => f (pair_label lam a b))) Hi Hj).
    apply sum_ext. intros a _. rewrite <- (sum_swap K i j (fun b => f (pair_label lam (swap i j a) b)) Hi Hj).
    apply sum_ext. intros b _. apply E.
  - rewrite <- (sum_swap K i j (fun a => f (pair_label lam a a)) Hi Hj). apply sum_ext. intros a _. apply E.
Qed.

(** sigma^2 = (rho - 1/K)/(K - 1). *)
Theorem distinct_threshold : lambda_grid T w lambda ->
  threshold N K (distinct_weight K w) (distinct_label K lambda)
  = (sum T (fun t => w t * (lambda t * lambda t + (1 - lambda t) * (1 - lambda t))) - / INR K) / (INR K - 1).
Proof.
  intros (W & SW & L). assert (PK : 1 < INR K) by (apply (lt_INR 1); lia).
  assert (EM : INR M = INR K * (INR K - 1)) by (rewrite mult_INR, minus_INR by lia; reflexivity).
  unfold threshold. do 2 f_equal. rewrite (distinct_expect (sq K)).
  apply sum_ext. intros t _. set (a := lambda t).
  assert (S : forall i j, (i < K)%nat -> (j < K)%nat ->
    sq K (pair_label a i j) = a * a + (1 - a) * (1 - a) + 2 * a * (1 - a) * delta i j).
  { intros i j Hi Hj.
    assert (E : forall n, sq n (pair_label a i j) = a * a * sum n (fun k => delta i k * delta i k)
      + 2 * a * (1 - a) * sum n (fun k => delta i k * delta j k) + (1 - a) * (1 - a) * sum n (fun k => delta j k * delta j k))
      by (intros n; unfold pair_label; sums n).
    rewrite E, !sum_delta, !delta_same, (delta_sym i) by assumption. ring. }
  rewrite (sum_ext K (fun i => sum K (fun j => sq K (pair_label a i j)))
    (fun _ => INR K * (a * a + (1 - a) * (1 - a)) + 2 * a * (1 - a))).
  - rewrite (sum_ext K (fun i => sq K (pair_label a i i)) (fun _ => a * a + (1 - a) * (1 - a) + 2 * a * (1 - a))).
    + rewrite !sum_const, EM. field. lra.
    + intros i Hi. rewrite S, delta_same by assumption. ring.
  - intros i Hi.
    rewrite (sum_ext K _ (fun j => a * a + (1 - a) * (1 - a) + 2 * a * (1 - a) * delta i j)) by (intros; now apply S).
    rewrite sum_plus, sum_const, sum_scal, sum_delta_one by exact Hi. ring.
Qed.
End Distinct.
