(** A global optimum exists, for every finite law and every d: without a bias, and with a penalised one. *)

Require Import Reals Lra Lia Arith.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Trivial Minimum.
Open Scope R_scope.

Section Exists.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation n := (K * d + N * d + K)%nat.

(** Classifier, features and bias, one entry after the other. *)
Let Wx (x : nat -> R) (k j : nat) : R := x (k * d + j)%nat.
Let hx (x : nat -> R) (s j : nat) : R := x (K * d + (s * d + j))%nat.
Let bx (x : nat -> R) (k : nat) : R := x (K * d + N * d + k)%nat.

(** With mu = 0 the bias is not read. The penalty is anything that is continuous and keeps the bias bounded. *)
Variables (mu : R) (penalty : (nat -> R) -> R).
Hypothesis penalty_continuous : forall l, continuous_in n l (fun x => penalty (bx x)).
Hypothesis penalty_nonneg : forall b, 0 <= penalty b.
Hypothesis penalty_ext : forall b b', (forall k, (k < K)%nat -> b k = b' k) -> penalty b = penalty b'.
Hypothesis penalty_bounds : forall c, 0 <= c -> exists B, 0 <= B /\ forall W b h,
  L W (fun k => mu * b k) h + penalty b <= c -> forall k, (k < K)%nat -> Rabs (b k) <= B.

Let f (x : nat -> R) : R := L (Wx x) (fun k => mu * bx x k) (hx x) + penalty (bx x).

Lemma objective_continuous l : continuous_in n l f.
Proof.
  assert (CW : forall k j, (k < K)%nat -> (j < d)%nat -> continuous_in n l (fun x => Wx x k j))
    by (intros; apply continuous_coordinate; nia).
  assert (Ch : forall s j, (s < N)%nat -> (j < d)%nat -> continuous_in n l (fun x => hx x s j))
    by (intros; apply continuous_coordinate; nia).
  assert (Cb : forall k, (k < K)%nat -> continuous_in n l (fun x => bx x k))
    by (intros; apply continuous_coordinate; nia).
  unfold f. apply continuous_plus; [| apply penalty_continuous].
  unfold objective, expect, sq. apply continuous_plus.
  - apply continuous_sum. intros s Hs. apply continuous_scal, continuous_plus.
    + assert (Cz : forall k, (k < K)%nat -> continuous_in n l (fun x => logits d (Wx x) (fun i => mu * bx x i) (hx x s) k)).
      { intros k Hk. unfold logits, mul, dot. apply continuous_plus; [| apply continuous_scal; auto].
        apply continuous_sum. intros j Hj. apply continuous_mult; auto. }
      unfold CE. apply continuous_sum. intros k Hk. apply continuous_scal.
      apply (continuous_plus n l (fun x => lse K (logits d (Wx x) (fun i => mu * bx x i) (hx x s)))
               (fun x => - logits d (Wx x) (fun i => mu * bx x i) (hx x s) k)).
      * unfold lse. apply (continuous_of n l (fun x => esum K (logits d (Wx x) (fun i => mu * bx x i) (hx x s))) ln).
        -- apply derivable_continuous_pt. exists (/ esum K (logits d (Wx l) (fun i => mu * bx l i) (hx l s))).
           apply derivable_pt_lim_ln. now apply esum_pos.
        -- unfold esum. apply continuous_sum. intros i Hi.
           apply (continuous_of n l (fun x => logits d (Wx x) (fun i => mu * bx x i) (hx x s) i) exp); auto.
           apply derivable_continuous_pt, derivable_pt_exp.
      * apply (continuous_of n l (fun x => logits d (Wx x) (fun i => mu * bx x i) (hx x s) k) (fun t => - t)); auto. reg.
    + apply continuous_scal, continuous_sum. intros j Hj. apply continuous_mult; auto.
  - apply continuous_scal, continuous_sum. intros k Hk. apply continuous_sum. intros j Hj. apply continuous_mult; auto.
Qed.

Lemma objective_parts W b h : 0 <= expect N pi (fun s => CE K (logits d W b (h s)) (Y s))
  /\ 0 <= expect N pi (fun s => sq d (h s)) /\ 0 <= sum K (fun k => sq d (W k))
  /\ L W b h = expect N pi (fun s => CE K (logits d W b (h s)) (Y s))
              + lambda_H / 2 * expect N pi (fun s => sq d (h s)) + lambda_W / 2 * sum K (fun k => sq d (W k)).
Proof.
  split; [| split; [| split]].
  - apply (expect_nonneg N K pi Y law). intros s Hs. apply CE_nonneg. now apply law.
  - apply (expect_nonneg N K pi Y law). intros. apply sq_nonneg.
  - apply sum_nonneg. intros. apply sq_nonneg.
  - unfold objective. now rewrite expect_plus, expect_scal.
Qed.

Lemma objective_nonneg x : 0 <= f x.
Proof.
  unfold f. destruct (objective_parts (Wx x) (fun k => mu * bx x k) (hx x)) as (C & H1 & H2 & ->).
  assert (H3 := penalty_nonneg (bx x)). nra.
Qed.

Lemma half_bound t c l : 0 < l -> l / 2 * t <= c -> t <= 2 * c / l.
Proof.
  intros P H. apply Rmult_le_reg_l with (l / 2); [lra |]. replace (l / 2 * (2 * c / l)) with c by (field; lra). exact H.
Qed.

Lemma abs_le_square t c l : 0 < l -> l / 2 * (t * t) <= c -> Rabs t <= 1 + 2 * c / l.
Proof.
  intros P H. assert (Q := half_bound (t * t) c l P H).
  assert (0 <= (Rabs t - 1) * (Rabs t - 1)) by apply Rle_0_sqr.
  assert (A : Rabs t * Rabs t = t * t) by (rewrite <- Rabs_mult; apply Rabs_pos_eq, Rle_0_sqr).
  assert (0 <= Rabs t) by apply Rabs_pos. nra.
Qed.

Lemma objective_grows : exists B, forall x, f x <= f (fun _ => 0) -> forall i, (i < n)%nat -> Rabs (x i) <= B.
Proof.
  set (c := f (fun _ => 0)). assert (Pc : 0 <= c) by apply objective_nonneg.
  set (term := fun s => 2 * c / (pi s * lambda_H)).
  assert (Pt : forall s, (s < N)%nat -> 0 <= term s).
  { intros s Hs. assert (P := proj1 law s Hs). apply Rmult_le_pos; [lra |].
    apply Rlt_le, Rinv_0_lt_compat. now apply Rmult_lt_0_compat. }
  assert (PW : 0 <= 2 * c / lambda_W) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]).
  destruct (penalty_bounds c Pc) as (Bb & Pb & Hb).
  assert (PS : 0 <= sum N term) by now apply sum_nonneg.
  exists (1 + 2 * c / lambda_W + sum N term + Bb). intros x Hx.
  assert (Tb := Hb (Wx x) (bx x) (hx x) Hx). unfold f in Hx at 1.
  destruct (objective_parts (Wx x) (fun k => mu * bx x k) (hx x)) as (C & H1 & H2 & EL). rewrite EL in Hx.
  assert (H3 := penalty_nonneg (bx x)).
  assert (entry : forall m (u : nat -> R) j, (j < m)%nat -> u j * u j <= sq m u)
    by (intros m u j Hj; apply (sum_term_le m (fun j => u j * u j)); auto; intros; apply Rle_0_sqr).
  intros i Hi. destruct (lt_dec i (K * d)) as [A | A].
  - assert (Pd : (0 < d)%nat) by nia.
    assert (Ek : (i / d < K)%nat) by (apply Nat.div_lt_upper_bound; lia).
    assert (Ej : (i mod d < d)%nat) by (apply Nat.mod_upper_bound; lia).
    assert (Ei : x i = Wx x (i / d)%nat (i mod d)) by (unfold Wx; f_equal; rewrite Nat.mul_comm; apply Nat.div_mod; lia).
    assert (T : Rabs (x i) <= 1 + 2 * c / lambda_W); [| lra].
    apply abs_le_square; [exact positive_W |]. rewrite Ei.
    assert (T1 := entry d (Wx x (i / d)%nat) (i mod d) Ej).
    assert (T2 : sq d (Wx x (i / d)%nat) <= sum K (fun k => sq d (Wx x k)))
      by (apply (sum_term_le K (fun k => sq d (Wx x k))); auto; intros; apply sq_nonneg). nra.
  - destruct (lt_dec i (K * d + N * d)) as [A' | A'].
    + assert (Pd : (0 < d)%nat) by nia. set (r := (i - K * d)%nat).
      assert (Es : (r / d < N)%nat) by (apply Nat.div_lt_upper_bound; unfold r; lia).
      assert (Ej : (r mod d < d)%nat) by (apply Nat.mod_upper_bound; lia).
      assert (Ei : x i = hx x (r / d)%nat (r mod d)).
      { unfold hx. f_equal. replace (r / d * d + r mod d)%nat with r by (rewrite Nat.mul_comm; apply Nat.div_mod; lia).
        unfold r. lia. }
      assert (P := proj1 law (r / d)%nat Es).
      assert (T : Rabs (x i) <= 1 + term (r / d)%nat).
      { apply abs_le_square; [now apply Rmult_lt_0_compat |]. rewrite Ei.
        assert (T1 := entry d (hx x (r / d)%nat) (r mod d) Ej).
        assert (T2 : pi (r / d)%nat * sq d (hx x (r / d)%nat) <= expect N pi (fun s => sq d (hx x s))).
        { apply (sum_term_le N (fun s => pi s * sq d (hx x s))); auto. intros s Hs.
          apply Rmult_le_pos; [apply Rlt_le, (proj1 law s Hs) | apply sq_nonneg]. }
        assert (pi (r / d)%nat * (hx x (r / d)%nat (r mod d) * hx x (r / d)%nat (r mod d))
                <= pi (r / d)%nat * sq d (hx x (r / d)%nat)) by (apply Rmult_le_compat_l; lra).
        nra. }
      assert (U : term (r / d)%nat <= sum N term) by (apply (sum_term_le N term); auto). lra.
    + set (k := (i - (K * d + N * d))%nat). assert (Ek : (k < K)%nat) by (unfold k; lia).
      assert (Ei : x i = bx x k) by (unfold bx, k; f_equal; lia).
      specialize (Tb k Ek). rewrite Ei. lra.
Qed.

Lemma objective_minimum : exists W b h, forall W' b' h',
  L W (fun k => mu * b k) h + penalty b <= L W' (fun k => mu * b' k) h' + penalty b'.
Proof.
  destruct objective_grows as [B HB].
  destruct (minimum_exists n f (fun _ => 0) B objective_continuous objective_nonneg HB) as [l Hl].
  exists (Wx l), (bx l), (hx l). intros W' b' h'.
  (* the point with these entries *)
  set (x := fun i => if lt_dec i (K * d) then W' (i / d)%nat (i mod d)
                     else if lt_dec i (K * d + N * d) then h' ((i - K * d) / d)%nat ((i - K * d) mod d)
                     else b' (i - (K * d + N * d))%nat).
  assert (EW : forall k j, (k < K)%nat -> (j < d)%nat -> Wx x k j = W' k j).
  { intros k j Hk Hj. unfold Wx, x. destruct (lt_dec (k * d + j) (K * d)); [| nia].
    rewrite Nat.div_add_l, Nat.div_small, Nat.add_0_r by lia.
    rewrite Nat.add_comm, Nat.mod_add, Nat.mod_small by lia. reflexivity. }
  assert (Eh : forall s j, (s < N)%nat -> (j < d)%nat -> hx x s j = h' s j).
  { intros s j Hs Hj. unfold hx, x. destruct (lt_dec (K * d + (s * d + j)) (K * d)); [lia |].
    destruct (lt_dec (K * d + (s * d + j)) (K * d + N * d)); [| nia].
    replace (K * d + (s * d + j) - K * d)%nat with (s * d + j)%nat by lia.
    rewrite Nat.div_add_l, Nat.div_small, Nat.add_0_r by lia.
    rewrite (Nat.add_comm (s * d)), Nat.mod_add, Nat.mod_small by lia. reflexivity. }
  assert (Eb : forall k, bx x k = b' k).
  { intros k. unfold bx, x. destruct (lt_dec (K * d + N * d + k) (K * d)); [lia |].
    destruct (lt_dec (K * d + N * d + k) (K * d + N * d)); [lia |]. f_equal. lia. }
  specialize (Hl x). unfold f at 2 in Hl.
  replace (L W' (fun k => mu * b' k) h') with (L (Wx x) (fun k => mu * bx x k) (hx x)).
  - now rewrite <- (penalty_ext (bx x) b' (fun k _ => Eb k)).
  - unfold objective. f_equal.
    + apply expect_ext. intros s Hs. rewrite (sq_ext d (hx x s) (h' s)) by auto. f_equal.
      apply CE_ext; auto. intros k Hk. unfold logits, mul. rewrite Eb. f_equal. apply dot_ext; auto.
    + f_equal. apply sum_ext. intros k Hk. apply sq_ext. auto.
Qed.
End Exists.

(** The objective reads the first K entries of the bias, up to a common shift. *)
Lemma objective_shift N K d pi Y lambda_W lambda_H W b b' h t : (0 < K)%nat ->
  (forall k, (k < K)%nat -> b' k = b k + t) ->
  objective N K d pi Y lambda_W lambda_H W b' h = objective N K d pi Y lambda_W lambda_H W b h.
Proof.
  intros HK E. unfold objective. f_equal. apply expect_ext. intros s _. f_equal.
  assert (Q : forall k, (k < K)%nat -> logits d W b' (h s) k = logits d W b (h s) k + t)
    by (intros k Hk; unfold logits; rewrite E by exact Hk; ring).
  assert (P := esum_pos K (logits d W b (h s)) HK).
  assert (G : lse K (logits d W b' (h s)) = lse K (logits d W b (h s)) + t).
  { unfold lse. replace (esum K (logits d W b' (h s))) with (esum K (logits d W b (h s)) * exp t).
    - rewrite ln_mult, ln_exp by (auto using exp_pos). ring.
    - unfold esum. rewrite <- sum_scal_r. apply sum_ext. intros k Hk. now rewrite Q, exp_plus. }
  unfold CE. apply sum_ext. intros k Hk. rewrite G, Q by exact Hk. ring.
Qed.

Lemma square_bounds (K : nat) (lambda_b c : R) (b : nat -> R) : 0 < lambda_b -> lambda_b / 2 * sq K b <= c ->
  forall k, (k < K)%nat -> Rabs (b k) <= 1 + 2 * c / lambda_b.
Proof.
  intros Pb H k Hk. apply abs_le_square; [exact Pb |].
  assert (b k * b k <= sq K b) by (apply (sum_term_le K (fun j => b j * b j)); auto; intros; apply Rle_0_sqr). nra.
Qed.

Lemma objective_ext N K d pi Y lambda_W lambda_H W b b' h : (0 < K)%nat -> (forall k, (k < K)%nat -> b' k = b k) ->
  objective N K d pi Y lambda_W lambda_H W b' h = objective N K d pi Y lambda_W lambda_H W b h.
Proof. intros HK E. apply (objective_shift N K d pi Y lambda_W lambda_H W b b' h 0 HK). intros. rewrite E by auto. ring. Qed.

(** The penalty (lambda_b/2)|b|^2; [mu] says whether the bias is read. *)
Lemma penalised_minimum N K d pi Y lambda_W lambda_H lambda_b mu :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> 0 < lambda_b ->
  exists W b h, forall W' b' h',
    objective N K d pi Y lambda_W lambda_H W (fun k => mu * b k) h + lambda_b / 2 * sq K b
    <= objective N K d pi Y lambda_W lambda_H W' (fun k => mu * b' k) h' + lambda_b / 2 * sq K b'.
Proof.
  intros HK law PW PH Pb.
  apply (objective_minimum N K d pi Y lambda_W lambda_H HK law PW PH mu (fun b => lambda_b / 2 * sq K b)).
  - intros l. apply continuous_scal, continuous_sum. intros k Hk. apply continuous_mult; apply continuous_coordinate; lia.
  - intros b. apply Rmult_le_pos; [lra | apply sq_nonneg].
  - intros b b' E. now rewrite (sq_ext K b b' E).
  - intros c Pc. exists (1 + 2 * c / lambda_b). split.
    { assert (0 <= 2 * c / lambda_b) by (apply Rmult_le_pos; [lra | apply Rlt_le, Rinv_0_lt_compat; lra]). lra. }
    intros W b h H. apply (square_bounds K lambda_b c b Pb).
    destruct (objective_parts N K d pi Y lambda_W lambda_H law W (fun k => mu * b k) h) as (C & H1 & H2 & E).
    rewrite E in H. nra.
Qed.

Theorem optimum_exists N K d pi Y lambda_W lambda_H :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H ->
  exists W h, optimum N K d pi Y lambda_W lambda_H W h.
Proof.
  intros HK law PW PH.
  destruct (penalised_minimum N K d pi Y lambda_W lambda_H 1 0 HK law PW PH ltac:(lra)) as (W & b & h & M).
  exists W, h. intros W' h'. specialize (M W' no_bias h').
  assert (Z : sq K no_bias = 0) by (apply sum_zero; intros; unfold no_bias; ring).
  assert (B := sq_nonneg K b).
  assert (E : forall V c g, objective N K d pi Y lambda_W lambda_H V (fun k => 0 * c k) g
                            = objective N K d pi Y lambda_W lambda_H V no_bias g)
    by (intros; apply objective_ext; auto; intros; unfold no_bias; ring).
  rewrite !E, Z in M. lra.
Qed.

Theorem penalised_optimum_exists N K d pi Y lambda_W lambda_H lambda_b :
  (0 < K)%nat -> label_law N K pi Y -> 0 < lambda_W -> 0 < lambda_H -> 0 < lambda_b ->
  exists W b h, optimum_penalised_bias N K d pi Y lambda_W lambda_H lambda_b W b h.
Proof.
  intros HK law PW PH Pb.
  destruct (penalised_minimum N K d pi Y lambda_W lambda_H lambda_b 1 HK law PW PH Pb) as (W & b & h & M).
  assert (E : forall V c g, objective N K d pi Y lambda_W lambda_H V (fun k => 1 * c k) g
                            = objective N K d pi Y lambda_W lambda_H V c g)
    by (intros; apply objective_ext; auto; intros; ring).
  exists W, b, h. intros W' b' h'. specialize (M W' b' h'). now rewrite !E in M.
Qed.
