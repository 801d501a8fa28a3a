(** With a free bias a global optimum exists, for every finite law in which every class occurs, and for no other.

    A common shift of the bias changes nothing, and the penalty (sum b)^2/2 takes it away; the differences of its
    entries are bounded by the loss where every class occurs. A class that never occurs sends its bias to -infinity. *)

Require Import Reals Lra Lia.
From Coquelicot Require Rcomplements.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Trivial Minimum Exists.
Open Scope R_scope.

(** What the objective bounds: differences of the bias, where every class occurs. *)
Lemma bias_differences N K d pi Y lambda_W lambda_H W b h c k l :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H ->
  objective N K d pi Y lambda_W lambda_H W b h <= c -> (k < K)%nat -> (l < K)%nat ->
  expect N pi (fun s => Y s k) * (b l - b k) <= c + 4 * c / lambda_W + c / lambda_H.
Proof.
  intros HK law PW PH H Hk Hl.
  destruct (objective_parts N K d pi Y lambda_W lambda_H law W b h) as (C & P1 & P2 & E). rewrite E in H.
  set (H1 := expect N pi (fun s => sq d (h s))) in *. set (H2 := sum K (fun k => sq d (W k))) in *.
  set (x := fun j => W l j - W k j).
  assert (Bx : sq d x <= 2 * H2 + 2 * H2).
  { assert (T : forall i, (i < K)%nat -> sq d (W i) <= H2)
      by (intros i Hi; apply (sum_term_le K (fun i => sq d (W i))); auto; intros; apply sq_nonneg).
    assert (A : forall n, sq n x <= 2 * sq n (W l) + 2 * sq n (W k)).
    { intros n. unfold sq, x. induction n as [| n IH]; cbn [sum]; [lra |].
      assert (0 <= (W l n + W k n) * (W l n + W k n)) by apply Rle_0_sqr. lra. }
    specialize (A d). assert (T1 := T l Hl). assert (T2 := T k Hk). lra. }
  assert (Q : expect N pi (fun s => Y s k) * (b l - b k)
    <= expect N pi (fun s => CE K (logits d W b (h s)) (Y s)) + / 2 * sq d x + / 2 * H1).
  { unfold H1. rewrite <- !expect_scal, Rmult_comm, <- expect_scal, <- (expect_const N pi (/ 2 * sq d x)), <- !expect_plus
      by apply law.
    apply (expect_le N K pi Y law). intros s Hs.
    destruct (proj2 (proj2 law) s Hs) as [PY SY]. set (z := logits d W b (h s)).
    assert (Y0 := PY k Hk).
    assert (Y1 : Y s k <= 1) by (rewrite <- SY; now apply (sum_term_le K (Y s))).
    assert (Z : forall i, (i < K)%nat -> z i <= lse K z).
    { intros i Hi. rewrite <- (ln_exp (z i)). apply Rcomplements.ln_le; [apply exp_pos |].
      apply (sum_term_le K (fun k => exp (z k))); auto. intros. apply Rlt_le, exp_pos. }
    assert (T : Y s k * (lse K z - z k) <= CE K z (Y s)).
    { apply (sum_term_le K (fun k => Y s k * (lse K z - z k))); auto.
      intros i Hi. apply Rmult_le_pos; auto. specialize (Z i Hi). lra. }
    assert (D : z l - z k = b l - b k + dot d x (h s)) by (unfold z, logits, mul, x; rewrite dot_minus_l; ring).
    assert (A : forall n, - dot n x (h s) <= / 2 * sq n x + / 2 * sq n (h s)).
    { intros n. unfold sq, dot. induction n as [| n IH]; cbn [sum]; [lra |].
      assert (0 <= (x n + h s n) * (x n + h s n)) by apply Rle_0_sqr. lra. }
    specialize (A d). specialize (Z l Hl). assert (X0 := sq_nonneg d x). assert (X1 := sq_nonneg d (h s)). nra. }
  assert (R1 : H1 <= 2 * c / lambda_H) by (apply half_bound; [exact PH | nra]).
  assert (R2 : H2 <= 2 * c / lambda_W) by (apply half_bound; [exact PW | nra]).
  assert (R3 : expect N pi (fun s => CE K (logits d W b (h s)) (Y s)) <= c) by nra.
  unfold Rdiv in *. lra.
Qed.

Section Free.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation mean k := (expect N pi (fun s => Y s k)).

Lemma free_bias_bounds c : (forall k, (k < K)%nat -> 0 < mean k) -> 0 <= c -> exists B, 0 <= B /\ forall W b h,
  L W b h + / 2 * (sum K b * sum K b) <= c -> forall k, (k < K)%nat -> Rabs (b k) <= B.
Proof.
  intros M Pc. set (D := c + 4 * c / lambda_W + c / lambda_H). set (T := sum K (fun k => / mean k)).
  assert (IW := Rinv_0_lt_compat _ positive_W). assert (IH := Rinv_0_lt_compat _ positive_H).
  assert (PD : 0 <= D) by (unfold D, Rdiv; assert (0 <= c * / lambda_W) by nra; assert (0 <= c * / lambda_H) by nra; lra).
  assert (I : forall k, (k < K)%nat -> 0 <= / mean k) by (intros; apply Rlt_le, Rinv_0_lt_compat; auto).
  assert (PT : 0 <= T) by now apply sum_nonneg.
  assert (PDT : 0 <= D * T) by now apply Rmult_le_pos.
  exists (1 + 2 * c + D * T). split; [lra |]. intros W b h H k Hk.
  assert (L0 : 0 <= L W b h).
  { destruct (objective_parts N K d pi Y lambda_W lambda_H law W b h) as (C & H1 & H2 & ->). nra. }
  set (S := sum K b) in *. assert (S2 : 0 <= S * S) by apply Rle_0_sqr.
  assert (Sa : Rabs S <= 1 + 2 * c).
  { replace (1 + 2 * c) with (1 + 2 * c / 1) by field. apply abs_le_square; lra. }
  assert (Q : forall i l, (i < K)%nat -> (l < K)%nat -> b l - b i <= D * T).
  { intros i l Hi Hl.
    assert (B := bias_differences N K d pi Y lambda_W lambda_H W b h c i l classes law positive_W positive_H ltac:(lra) Hi Hl).
    fold D in B. assert (Pi := M i Hi). assert (Ti : / mean i <= T) by now apply (sum_term_le K (fun k => / mean k)).
    apply Rle_trans with (D * / mean i); [| now apply Rmult_le_compat_l].
    apply Rmult_le_reg_l with (mean i); [exact Pi |]. replace (mean i * (D * / mean i)) with D by (field; lra). exact B. }
  assert (K1 : 1 <= INR K) by (apply (le_INR 1); lia).
  assert (E : sum K (fun l => b k - b l) = INR K * b k - S).
  { rewrite sum_minus, sum_const. unfold S. ring. }
  assert (U : sum K (fun l => b k - b l) <= INR K * (D * T)).
  { rewrite <- (sum_const K (D * T)). apply sum_le. auto. }
  assert (V : sum K (fun l => - (D * T)) <= sum K (fun l => b k - b l)).
  { apply sum_le. intros l Hl. specialize (Q k l Hk Hl). lra. }
  rewrite sum_const in V. rewrite E in U, V.
  assert (A := Rle_abs S). assert (A' := Rle_abs (- S)). rewrite Rabs_Ropp in A'.
  apply Rabs_le. split; nra.
Qed.

(** With a free bias a global optimum exists exactly if every class occurs. *)
Theorem free_optimum_iff :
  (exists W b h, optimum_free_bias N K d pi Y lambda_W lambda_H W b h)
  <-> forall k, (k < K)%nat -> 0 < expect N pi (fun s => Y s k).
Proof.
  split.
  - intros (W & b & h & O) k Hk. destruct (Rlt_or_le 0 (mean k)) as [P | P]; [exact P | exfalso].
    assert (Y0 : forall s, (s < N)%nat -> Y s k = 0).
    { apply (expect_nonneg_zero N K pi Y law (fun s => Y s k)); [intros s Hs; now apply law |].
      apply Rle_antisym; [exact P |]. apply (expect_nonneg N K pi Y law). intros s Hs. now apply law. }
    set (b' := fun i => b i - delta k i).
    assert (Z : forall s i, logits d W b' (h s) i = logits d W b (h s) i - delta k i) by (intros; unfold logits, b'; ring).
    assert (Less : forall s, lse K (logits d W b' (h s)) < lse K (logits d W b (h s))).
    { intros s. unfold lse. apply ln_increasing; [now apply esum_pos |]. unfold esum.
      apply Rminus_gt_0_lt. rewrite <- sum_minus.
      assert (T : forall i, (i < K)%nat -> 0 <= exp (logits d W b (h s) i) - exp (logits d W b' (h s) i)).
      { intros i _. rewrite Z. unfold delta. destruct (Nat.eqb i k); [| rewrite Rminus_0_r; lra].
        assert (exp (logits d W b (h s) i - 1) < exp (logits d W b (h s) i)) by (apply exp_increasing; lra). lra. }
      apply Rlt_le_trans with (exp (logits d W b (h s) k) - exp (logits d W b' (h s) k)).
      - rewrite Z, delta_same. assert (exp (logits d W b (h s) k - 1) < exp (logits d W b (h s) k)) by (apply exp_increasing; lra). lra.
      - now apply (sum_term_le K (fun i => exp (logits d W b (h s) i) - exp (logits d W b' (h s) i))). }
    assert (C : forall s, (s < N)%nat -> CE K (logits d W b (h s)) (Y s) - CE K (logits d W b' (h s)) (Y s)
      = lse K (logits d W b (h s)) - lse K (logits d W b' (h s))).
    { intros s Hs. unfold CE. rewrite <- sum_minus.
      rewrite (sum_ext K _ (fun i => (lse K (logits d W b (h s)) - lse K (logits d W b' (h s))) * Y s i)).
      - rewrite sum_scal, (label_sum N K pi Y law s Hs). ring.
      - intros i _. rewrite Z. unfold delta. destruct (Nat.eqb_spec i k) as [-> | _]; [rewrite Y0 by exact Hs |]; ring. }
    specialize (O W b' h). unfold objective in O.
    assert (G : forall s, (s < N)%nat -> lse K (logits d W b (h s)) - lse K (logits d W b' (h s)) = 0).
    { apply (expect_nonneg_zero N K pi Y law (fun s => lse K (logits d W b (h s)) - lse K (logits d W b' (h s)))).
      - intros s _. specialize (Less s). lra.
      - apply Rle_antisym.
        + rewrite <- (expect_ext N pi _ _ C), expect_minus. rewrite !expect_plus in O. lra.
        + apply (expect_nonneg N K pi Y law). intros s _. specialize (Less s). lra. }
    assert (HN := law_inhabited N K pi Y law). specialize (G 0%nat ltac:(lia)). specialize (Less 0%nat). lra.
  - intros M.
    destruct (objective_minimum N K d pi Y lambda_W lambda_H classes law positive_W positive_H 1
      (fun b => / 2 * (sum K b * sum K b))) as (W & b & h & Min).
    + intros l. apply continuous_scal, continuous_mult; apply continuous_sum; intros; apply continuous_coordinate; lia.
    + intros b. assert (0 <= sum K b * sum K b) by apply Rle_0_sqr. lra.
    + intros b b' E. now rewrite (sum_ext K b b' E).
    + intros c Pc. destruct (free_bias_bounds c M Pc) as (B & PB & H). exists B. split; [exact PB |].
      intros W b h HL. apply (H W b h).
      rewrite <- (objective_ext N K d pi Y lambda_W lambda_H W b (fun k => 1 * b k) h classes) by (intros; ring). exact HL.
    + exists W, b, h. intros W' b' h'. set (m := sum K b' / INR K).
      specialize (Min W' (fun k => b' k - m) h').
      rewrite (objective_ext N K d pi Y lambda_W lambda_H W b (fun k => 1 * b k) h classes) in Min by (intros; ring).
      rewrite (objective_shift N K d pi Y lambda_W lambda_H W' b' (fun k => 1 * (b' k - m)) h' (- m) classes) in Min
        by (intros; ring).
      assert (Z : sum K (fun k => b' k - m) = 0).
      { rewrite sum_minus, sum_const. unfold m. field. apply Rgt_not_eq, lt_0_INR, classes. }
      rewrite Z in Min. assert (0 <= sum K b * sum K b) by apply Rle_0_sqr. lra.
Qed.
End Free.
