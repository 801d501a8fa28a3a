(** Exchangeable label laws: what symmetry says of second moments.

    A finite law is exchangeable if no mean notices that two classes have been exchanged. Exchanges of two classes generate
    all permutations, so this is invariance under every permutation of the classes. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design.
Open Scope R_scope.

(** f reads no more than the K entries of a label. *)
Definition reads_label (K : nat) (f : (nat -> R) -> R) : Prop :=
  forall u v, (forall k, (k < K)%nat -> u k = v k) -> f u = f v.

Definition exchangeable (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R) : Prop :=
  forall i j f, (i < K)%nat -> (j < K)%nat -> reads_label K f ->
  expect N pi (fun s => f (fun k => Y s (swap i j k))) = expect N pi (fun s => f (Y s)).

(** ** Residuals that move with the classes *)

Section Equivariant.
Variables (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R) (rho : (nat -> R) -> nat -> R).
Hypothesis two_classes : (1 < K)%nat.
Hypothesis symmetric : exchangeable N K pi Y.
Hypothesis reads : forall u v, (forall k, (k < K)%nat -> u k = v k) -> forall k, (k < K)%nat -> rho u k = rho v k.
Hypothesis moves : forall i j u, (i < K)%nat -> (j < K)%nat ->
  forall k, (k < K)%nat -> rho (fun l => u (swap i j l)) k = rho u (swap i j k).
Hypothesis centred_rho : forall s, (s < N)%nat -> sum K (rho (Y s)) = 0.

Let second k l := expect N pi (fun s => rho (Y s) k * rho (Y s) l).

Lemma second_swap i j k l :
  (i < K)%nat -> (j < K)%nat -> (k < K)%nat -> (l < K)%nat -> second (swap i j k) (swap i j l) = second k l.
Proof.
  intros Hi Hj Hk Hl. unfold second.
  rewrite <- (symmetric i j (fun u => rho u k * rho u l)); auto.
  - apply expect_ext. intros s _. now rewrite !moves.
  - intros u v E. now rewrite !(reads u v E).
Qed.

Lemma second_row k : sum K (second k) = 0.
Proof.
  unfold second. rewrite <- (expect_sum N pi K (fun s l => rho (Y s) k * rho (Y s) l)).
  apply sum_zero. intros s Hs. rewrite sum_scal, centred_rho by auto. ring.
Qed.

Lemma second_diagonal k : (k < K)%nat -> second k k = second 0%nat 0%nat.
Proof.
  intros Hk. rewrite <- (second_swap 0 k 0 0) by lia. now rewrite swap_left.
Qed.

Lemma second_other k l : (k < K)%nat -> (l < K)%nat -> l <> k -> second k k + (INR K - 1) * second k l = 0.
Proof.
  intros Hk Hl D. transitivity (sum K (second k)); [symmetry | apply second_row].
  rewrite (sum_ext K (second k) (fun i => second k l + delta k i * (second k k - second k l))).
  - rewrite sum_plus, sum_const, (sum_delta K k (fun _ => second k k - second k l)) by auto. ring.
  - intros i Hi. destruct (Nat.eq_dec i k) as [-> | Di].
    + rewrite delta_same. ring.
    + rewrite delta_other by auto.
      rewrite <- (second_swap l i k l) by auto.
      rewrite (swap_other l i k), swap_left by auto. ring.
Qed.

Lemma second_trace : expect N pi (fun s => sq K (rho (Y s))) = INR K * second 0%nat 0%nat.
Proof.
  unfold sq. rewrite expect_sum, <- sum_const. apply sum_ext. intros k Hk. now apply second_diagonal.
Qed.

Lemma second_centred k l : (k < K)%nat -> (l < K)%nat ->
  second k l = expect N pi (fun s => sq K (rho (Y s))) / (INR K - 1) * (delta k l - / INR K).
Proof.
  intros Hk Hl. assert (P : 1 < INR K) by (apply (lt_INR 1); lia). rewrite second_trace.
  destruct (Nat.eq_dec l k) as [-> | D].
  - rewrite delta_same, second_diagonal by auto. field. lra.
  - assert (E := second_other k l Hk Hl D). rewrite second_diagonal in E by auto.
    rewrite delta_other by auto.
    apply Rmult_eq_reg_l with (INR K - 1); [| lra].
    replace ((INR K - 1) * (INR K * second 0%nat 0%nat / (INR K - 1) * (0 - / INR K)))
      with (- second 0%nat 0%nat) by (field; lra). lra.
Qed.

(** The moment matrix is a multiple of Pi, … *)
Theorem equivariant_moment :
  centred_moment N K pi (fun s => rho (Y s)) (expect N pi (fun s => sq K (rho (Y s))) / (INR K - 1)).
Proof.
  intros v. set (mu := expect N pi (fun s => sq K (rho (Y s))) / (INR K - 1)).
  transitivity (sum K (fun k => sum K (fun l => second k l * (v k * v l)))).
  - unfold moment, second, dot.
    rewrite (expect_ext N pi _
      (fun s => sum K (fun k => sum K (fun l => rho (Y s) k * v k * (rho (Y s) l * v l))))).
    + rewrite expect_sum. apply sum_ext. intros k _. rewrite expect_sum. apply sum_ext. intros l _.
      unfold expect. rewrite <- sum_scal_r. apply sum_ext. intros. ring.
    + intros s _. rewrite <- sum_scal_r. apply sum_ext. intros k _. now rewrite sum_scal.
  - rewrite (sum_ext K _ (fun k => mu * (v k * v k) - mu * (sum K v / INR K) * v k)).
    + rewrite sum_minus, !sum_scal. unfold sq, Rdiv. ring.
    + intros k Hk.
      rewrite (sum_ext K _ (fun l => mu * v k * (centred K k l * v l))).
      * rewrite sum_scal. change (sum K (fun l => centred K k l * v l)) with (dot K (centred K k) v).
        rewrite dot_centred by auto. unfold Rdiv. ring.
      * intros l Hl. rewrite second_centred by auto. fold mu. unfold centred. ring.
Qed.

(** … and the mean vanishes. *)
Theorem equivariant_mean k : (k < K)%nat -> expect N pi (fun s => rho (Y s) k) = 0.
Proof.
  intros Hk.
  assert (E : forall l, (l < K)%nat -> expect N pi (fun s => rho (Y s) l) = expect N pi (fun s => rho (Y s) k)).
  { intros l Hl. rewrite <- (symmetric l k (fun u => rho u k)); auto.
    - apply expect_ext. intros s _. rewrite moves by auto. now rewrite swap_right.
    - intros u v E. now apply reads. }
  assert (S : sum K (fun l => expect N pi (fun s => rho (Y s) l)) = INR K * expect N pi (fun s => rho (Y s) k)).
  { rewrite <- sum_const. now apply sum_ext. }
  rewrite <- (expect_sum N pi K (fun s => rho (Y s))) in S.
  assert (Z : expect N pi (fun s => sum K (rho (Y s))) = 0).
  { apply sum_zero. intros s Hs. rewrite centred_rho by auto. ring. }
  rewrite Z in S. assert (0 < INR K) by (apply lt_0_INR; lia). nra.
Qed.
End Equivariant.
