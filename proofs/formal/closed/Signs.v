(** Order and size of optimal predictions and logits. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Design Frame Laws Forms Pair.
Open Scope R_scope.

(** Both p and the deficit y - p grow with the label. *)
Theorem answer_monotone K a y p k l :
  0 < a -> answers K a y p -> (k < K)%nat -> (l < K)%nat -> y k <= y l -> p k <= p l /\ y k - p k <= y l - p l.
Proof.
  intros Pa [[P _] [t A]] Hk Hl L. assert (Ak := A k Hk). assert (Al := A l Hl).
  destruct (Rle_or_lt (p k) (p l)) as [M | M].
  - split; [exact M |].
    assert (ln (p k) <= ln (p l)) by (destruct M as [M | ->]; [apply Rlt_le, ln_increasing; auto | lra]).
    apply Rmult_le_reg_l with a; lra.
  - exfalso. assert (ln (p l) < ln (p k)) by (apply ln_increasing; auto).
    assert (a * (y k - p k) < a * (y l - p l)) by (apply Rmult_lt_compat_l; lra). lra.
Qed.

Lemma residual_mean K a y p : answers K a y p -> sum K y = 1 -> sum K (fun k => y k - p k) = 0.
Proof. intros [[_ S] _] HY. rewrite sum_minus, HY, S. ring. Qed.

(** Unless the label is uniform, its largest class is underconfident, p < y, … *)
Theorem largest_underconfident K a y p k :
  0 < a -> answers K a y p -> sum K y = 1 -> (k < K)%nat -> (forall l, (l < K)%nat -> y l <= y k) ->
  (exists l, (l < K)%nat /\ y l < y k) -> p k < y k.
Proof.
  intros Pa AA HY Hk M (l & Hl & S). destruct (AA) as [[P SP] [t A]].
  destruct (Rle_or_lt (y k - p k) 0) as [N | N]; [exfalso | lra].
  assert (Z := residual_mean K a y p AA HY).
  assert (G : forall i, (i < K)%nat -> 0 <= - (y i - p i)).
  { intros i Hi. destruct (answer_monotone K a y p i k Pa AA Hi Hk (M i Hi)). lra. }
  assert (Z' : sum K (fun i => - (y i - p i)) = 0).
  { rewrite (sum_ext K _ (fun i => (-1) * (y i - p i))) by (intros; ring). rewrite sum_scal, Z. ring. }
  assert (E := sum_nonneg_zero K _ G Z'). simpl in E.
  assert (Ek := E k Hk). assert (El := E l Hl). assert (Ak := A k Hk). assert (Al := A l Hl).
  replace (y k - p k) with 0 in Ak by lra. replace (y l - p l) with 0 in Al by lra.
  assert (Q : ln (p l) < ln (p k)) by (apply ln_increasing; [auto | lra]). lra.
Qed.

(** … and its smallest class is overconfident. *)
Theorem smallest_overconfident K a y p k :
  0 < a -> answers K a y p -> sum K y = 1 -> (k < K)%nat -> (forall l, (l < K)%nat -> y k <= y l) ->
  (exists l, (l < K)%nat /\ y k < y l) -> y k < p k.
Proof.
  intros Pa AA HY Hk M (l & Hl & S). destruct (AA) as [[P SP] [t A]].
  destruct (Rle_or_lt 0 (y k - p k)) as [N | N]; [exfalso | lra].
  assert (Z := residual_mean K a y p AA HY).
  assert (G : forall i, (i < K)%nat -> 0 <= y i - p i).
  { intros i Hi. destruct (answer_monotone K a y p k i Pa AA Hk Hi (M i Hi)). lra. }
  assert (E := sum_nonneg_zero K _ G Z). simpl in E.
  assert (Ek := E k Hk). assert (El := E l Hl). assert (Ak := A k Hk). assert (Al := A l Hl).
  replace (y k - p k) with 0 in Ak by lra. replace (y l - p l) with 0 in Al by lra.
  assert (Q : ln (p k) < ln (p l)) by (apply ln_increasing; [auto | lra]). lra.
Qed.

(** Logits a (y - p) lie strictly between -a and a. *)
Theorem logits_range K a y p :
  (1 < K)%nat -> 0 < a -> simplex K y -> answers K a y p ->
  (forall k, (k < K)%nat -> - a < a * (y k - p k) < a)
  /\ INR K * exp (- a) < esum K (fun k => a * (y k - p k)) < INR K * exp a.
Proof.
  intros HK Pa [Y0 SY] [[P SP] _].
  assert (Y1 : forall k, (k < K)%nat -> y k <= 1) by (intros k Hk; rewrite <- SY; now apply (sum_term_le K y)).
  assert (P1 : forall k, (k < K)%nat -> p k < 1).
  { intros k Hk. rewrite <- SP.
    assert (O : exists l, (l < K)%nat /\ l <> k) by (destruct k; [exists 1%nat | exists 0%nat]; split; lia).
    destruct O as (l & Hl & D).
    assert (S : p k + p l <= sum K p).
    { rewrite <- (sum_delta K k p Hk), <- (sum_delta K l p Hl), <- sum_plus. apply sum_le. intros i Hi.
      assert (0 < p i) by auto. destruct (Nat.eq_dec i k) as [-> | A]; [| destruct (Nat.eq_dec i l) as [-> | B]].
      - rewrite delta_same, (delta_other l k) by auto. lra.
      - rewrite delta_same, (delta_other k l) by auto. lra.
      - rewrite !delta_other by auto. lra. }
    specialize (P l Hl). lra. }
  assert (RG : forall k, (k < K)%nat -> - a < a * (y k - p k) < a).
  { intros k Hk. specialize (Y0 k Hk). specialize (Y1 k Hk). specialize (P k Hk). specialize (P1 k Hk).
    replace (- a) with (a * -1) by ring. rewrite <- (Rmult_1_r a) at 4.
    split; apply Rmult_lt_compat_l; lra. }
  split; [exact RG |]. unfold esum. rewrite <- !sum_const.
  assert (D : forall u v : nat -> R, (forall k, (k < K)%nat -> u k < v k) -> sum K u < sum K v).
  { intros u v H. assert (T := sum_pos K (fun k => v k - u k) ltac:(lia)).
    rewrite sum_minus in T. assert (0 < sum K v - sum K u) by (apply T; intros k Hk; specialize (H k Hk); lra). lra. }
  split; apply D; intros k Hk; apply exp_increasing, RG, Hk.
Qed.

(** ** Logits over a class of label zero: x + o (e^x - 1) = a y *)

Lemma excess_sign x o b : 0 < o -> x + o * (exp x - 1) = b -> 0 <= b -> 0 <= x.
Proof.
  intros Po E Hb. destruct (Rle_or_lt 0 x) as [N | N]; [exact N | exfalso].
  assert (exp x < 1) by (rewrite <- exp_0; now apply exp_increasing). nra.
Qed.

Lemma excess_increasing x x' o b b' :
  0 < o -> x + o * (exp x - 1) = b -> x' + o * (exp x' - 1) = b' -> b <= b' -> x <= x'.
Proof.
  intros Po E E' L. destruct (Rle_or_lt x x') as [N | N]; [exact N | exfalso].
  assert (exp x' < exp x) by now apply exp_increasing. nra.
Qed.

(** All x_k are at least zero, zero where the label is, increasing in the label, and none exceeds K o. *)
Theorem excess_range K a y x o :
  0 < a -> 0 < o -> (forall k, (k < K)%nat -> 0 <= y k) ->
  (forall k, (k < K)%nat -> x k + o * (exp (x k) - 1) = a * y k) -> sum K x = INR K * o ->
  (forall k, (k < K)%nat -> 0 <= x k <= INR K * o)
  /\ (forall k, (k < K)%nat -> y k = 0 -> x k = 0)
  /\ (forall k l, (k < K)%nat -> (l < K)%nat -> y k <= y l -> x k <= x l).
Proof.
  intros Pa Po Y0 E S.
  assert (N : forall k, (k < K)%nat -> 0 <= x k).
  { intros k Hk. apply (excess_sign (x k) o (a * y k)); auto. apply Rmult_le_pos; [lra | auto]. }
  split; [| split].
  - intros k Hk. split; [auto |]. rewrite <- S. now apply (sum_term_le K x).
  - intros k Hk Z. assert (T := E k Hk). rewrite Z, Rmult_0_r in T.
    apply Rle_antisym; [| auto]. assert (0 <= exp (x k) - 1).
    { destruct (N k Hk) as [P | <-]; [| rewrite exp_0; lra].
      assert (1 < exp (x k)) by (rewrite <- exp_0; now apply exp_increasing). lra. }
    nra.
  - intros k l Hk Hl L. apply (excess_increasing (x k) (x l) o (a * y k) (a * y l)); auto.
    apply Rmult_le_compat_l; lra.
Qed.

(** ** Two classes: the solution of the pair equations *)

Lemma pair_reference K a lambda x_i x_j :
  (1 < K)%nat -> 0 < a -> pair_solution K a lambda x_i x_j -> 0 < (x_i + x_j) / INR K.
Proof.
  intros HK Pa [E1 E2]. unfold pair_equation in *.
  assert (PK : 2 <= INR K) by (apply (le_INR 2); lia).
  assert (P1 := exp_pos x_i). assert (P2 := exp_pos x_j).
  set (Z := exp x_i + exp x_j + INR K - 2). assert (PZ : 0 < Z) by (unfold Z; lra).
  assert (S : (x_i + x_j) / INR K * Z = a).
  { transitivity (x_i + (x_i + x_j) / INR K * (exp x_i - 1) + (x_j + (x_j + x_i) / INR K * (exp x_j - 1))).
    - unfold Z. field. lra.
    - rewrite E1, E2. ring. }
  replace ((x_i + x_j) / INR K) with (a / Z) by (rewrite <- S; field; lra). now apply Rdiv_lt_0_compat.
Qed.

(** For lambda in [0, 1] both coefficients are at least zero. *)
Theorem pair_range K a lambda x_i x_j :
  (1 < K)%nat -> 0 < a -> 0 <= lambda <= 1 -> pair_solution K a lambda x_i x_j -> 0 <= x_i /\ 0 <= x_j.
Proof.
  intros HK Pa L S. assert (Po := pair_reference K a lambda x_i x_j HK Pa S).
  destruct S as [E1 E2]. unfold pair_equation in *.
  replace (x_j + x_i) with (x_i + x_j) in E2 by ring. split.
  - apply (excess_sign x_i _ _ Po E1). apply Rmult_le_pos; lra.
  - apply (excess_sign x_j _ _ Po E2). apply Rmult_le_pos; lra.
Qed.

(** And neither they nor the centred logits exceed the same-class root x. *)
Theorem pair_below_same_class K a lambda x_i x_j x :
  (1 < K)%nat -> 0 < a -> 0 <= lambda <= 1 -> pair_solution K a lambda x_i x_j ->
  0 < x -> x * (exp x + INR K - 1) = a * INR K ->
  0 <= x_i <= x /\ 0 <= x_j <= x
  /\ Rabs (x_i - (x_i + x_j) / INR K) <= x /\ Rabs (x_j - (x_i + x_j) / INR K) <= x.
Proof.
  intros HK Pa L S Px Ex. assert (Po := pair_reference K a lambda x_i x_j HK Pa S).
  destruct (pair_range K a lambda x_i x_j HK Pa L S) as [Ni Nj].
  assert (PK : 2 <= INR K) by (apply (le_INR 2); lia).
  assert (Ea : a = x + x / INR K * (exp x - 1)).
  { apply Rmult_eq_reg_r with (INR K); [| lra]. rewrite <- Ex. field. lra. }
  destruct S as [E1 E2]. unfold pair_equation in *. replace (x_j + x_i) with (x_i + x_j) in E2 by ring.
  set (o := (x_i + x_j) / INR K) in *.
  assert (Eo : o * INR K = x_i + x_j) by (unfold o; field; lra).
  assert (U : forall u v mu, 0 <= u -> 0 <= v -> o * INR K = u + v -> 0 <= mu <= 1 -> u + o * (exp u - 1) = a * mu -> u <= x).
  { intros u v mu Nu Nv Es Hm E. destruct (Rle_or_lt u x) as [T | T]; [exact T | exfalso].
    assert (exp x < exp u) by now apply exp_increasing.
    assert (1 < exp x) by (rewrite <- exp_0; now apply exp_increasing).
    assert (x / INR K < o).
    { apply Rmult_lt_reg_r with (INR K); [lra |]. rewrite Es. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    assert (0 < x / INR K) by (apply Rdiv_lt_0_compat; lra).
    assert (x / INR K * (exp x - 1) < o * (exp u - 1)) by (apply Rmult_le_0_lt_compat; lra).
    assert (a * mu <= a * 1) by (apply Rmult_le_compat_l; lra). lra. }
  assert (Ui : x_i <= x) by (apply (U x_i x_j lambda); auto).
  assert (Uj : x_j <= x) by (apply (U x_j x_i (1 - lambda)); auto; lra).
  assert (Bo : o <= x).
  { apply Rmult_le_reg_r with (INR K); [lra |]. rewrite Eo.
    assert (x * 2 <= x * INR K) by (apply Rmult_le_compat_l; lra). lra. }
  split; [lra | split; [lra | split]]; apply Rabs_le; lra.
Qed.
