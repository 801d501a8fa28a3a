(** Two classes that the law cannot tell apart: when their rows coincide at every global optimum.

    If no mean notices that classes k and l have been exchanged, then w_k = w_l at every global optimum if
    E (y_k - y_l)^2 / 2 <= lambda_W lambda_H: for any d, without a bias, with a free or a penalised one. One identity
    says so: merging the two rows changes the objective by squares and divergences. The converse, for d >= K - 1 and
    without a bias, is that of [critical_minimum_iff]. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Design Answer Roots Exchange Trivial Critical Lipschitz Descent Exists Unused Merge.
Open Scope R_scope.

Section Collapse.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R) (k l : nat).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_W : 0 < lambda_W.
Hypothesis positive_H : 0 < lambda_H.
Hypothesis class_k : (k < K)%nat.
Hypothesis class_l : (l < K)%nat.
Hypothesis different : k <> l.
Hypothesis symmetric : exchangeable_pair N K pi Y k l.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation c2 := (lambda_W * lambda_H).
Notation swapped := (fun (y : nat -> R) i => y (swap k l i)).
Notation x W := (row_difference W k l).

Notation merging_gap := (merging_gap K d lambda_H k l).
Notation merged_prediction := (merged_prediction K d k l).
Notation sample := (sample_loss K d lambda_H).

Lemma gap_zero W b H y : merging_gap W b H y = 0 ->
  logits d W b (H y) k = logits d W b (H y) l
  /\ logits d W b (H (swapped y)) k = logits d W b (H (swapped y)) l
  /\ forall j, (j < d)%nat -> half_difference k l H y j = (y k - y l) / (2 * lambda_H) * x W j.
Proof.
  intros E. unfold merging_gap in E.
  assert (PP := softmax_positive K (logits d (merged_rows k l W) (merged k l b) (merged_features k l H y)) classes).
  fold (merged_prediction W b H y) in PP. assert (P := positive_simplex K _ PP).
  assert (A := KL_nonneg K _ _ P (softmax_positive K (logits d W b (H y)) classes)).
  assert (B := KL_nonneg K _ _ P (softmax_positive K (logits d W b (H (swapped y))) classes)).
  assert (Q := sq_nonneg d (fun j => half_difference k l H y j - (y k - y l) / (2 * lambda_H) * x W j)).
  assert (Eq : merged_prediction W b H y k = merged_prediction W b H y l).
  { assert (S := softmax_merged K k l _ l (merged_logits d k l W b (merged_features k l H y))). now rewrite swap_right in S. }
  assert (S : forall h, KL K (merged_prediction W b H y) (softmax K (logits d W b h)) = 0 ->
    logits d W b h k = logits d W b h l).
  { intros h Z. assert (F := KL_zero K _ _ P (softmax_positive K (logits d W b h) classes) Z).
    assert (Fk := F k class_k). assert (Fl := F l class_l). rewrite Eq, Fl in Fk.
    assert (G : ln (softmax K (logits d W b h) k) = ln (softmax K (logits d W b h) l)) by now rewrite Fk.
    rewrite !ln_softmax in G by exact classes. lra. }
  split; [apply S; nra | split; [apply S; nra |]].
  intros j Hj.
  assert (Z : sq d (fun j => half_difference k l H y j - (y k - y l) / (2 * lambda_H) * x W j) = 0) by nra.
  assert (F := sq_zero d _ Z j Hj). simpl in F. lra.
Qed.

Lemma below_threshold W : pair_moment N pi Y k l <= c2 -> 0 <= (c2 - pair_moment N pi Y k l) * sq d (x W).
Proof. intros M. apply Rmult_le_pos; [lra | apply sq_nonneg]. Qed.

(** A point that no merged point undercuts has merged rows and biases, below the threshold or where the rows are. *)
Lemma merged_already W b h : 0 <= (c2 - pair_moment N pi Y k l) * sq d (x W) ->
  (forall h', L W b h <= L (merged_rows k l W) (merged k l b) h') ->
  (forall j, (j < d)%nat -> W k j = W l j) /\ b k = b l.
Proof.
  intros M O. destruct (label_features_exist N K d pi Y lambda_W lambda_H law W b h) as (H & HH & HL).
  assert (I := merging_identity N K d pi Y lambda_W lambda_H k l classes law positive_H class_k class_l
    different symmetric W b H HH).
  specialize (O (fun s => merged_features k l H (Y s))).
  set (G := expect N pi (fun s => merging_gap W b H (Y s))) in *.
  assert (PG : 0 <= G) by (apply (expect_nonneg N K pi Y law); intros; now apply merging_gap_nonneg).
  set (X := sq d (x W)) in *. assert (PX : 0 <= X) by apply sq_nonneg.
  assert (PQ : 0 <= (c2 - pair_moment N pi Y k l) * X / (4 * lambda_H)).
  { apply Rmult_le_pos; [exact M | apply Rlt_le, Rinv_0_lt_compat; lra]. }
  assert (G0 : G = 0) by lra.
  assert (Q0 : (c2 - pair_moment N pi Y k l) * X = 0).
  { assert (E : (c2 - pair_moment N pi Y k l) * X / (4 * lambda_H) = 0) by lra.
    apply Rmult_integral in E. destruct E as [E | E]; [exact E |].
    assert (/ (4 * lambda_H) <> 0) by (apply Rinv_neq_0_compat; lra). contradiction. }
  assert (Z : forall s, (s < N)%nat -> merging_gap W b H (Y s) = 0).
  { apply (expect_nonneg_zero N K pi Y law (fun s => merging_gap W b H (Y s))); auto. intros. now apply merging_gap_nonneg. }
  assert (D : forall h0, logits d W b h0 k - logits d W b h0 l = dot d (x W) h0 + (b k - b l)).
  { intros h0. unfold logits, mul, row_difference. rewrite dot_minus_l. ring. }
  assert (X0 : X = 0).
  { destruct (Req_dec X 0) as [E | NX]; [exact E | exfalso].
    assert (C : forall s, (s < N)%nat -> Y s k - Y s l = 0).
    { intros s Hs. destruct (gap_zero W b H (Y s) (Z s Hs)) as (A & B & F).
      assert (E1 := D (H (Y s))). assert (E2 := D (H (swapped (Y s)))).
      assert (E3 : dot d (x W) (half_difference k l H (Y s)) = (Y s k - Y s l) / (2 * lambda_H) * X).
      { rewrite (dot_ext d (x W) (x W) _ (fun j => (Y s k - Y s l) / (2 * lambda_H) * x W j)) by auto.
        now rewrite dot_scal_r. }
      assert (E4 : forall n, dot n (x W) (half_difference k l H (Y s)) = (dot n (x W) (H (Y s)) - dot n (x W) (H (swapped (Y s)))) / 2).
      { intros n. unfold dot, half_difference. induction n as [| n IH]; simpl; [field | rewrite IH; field]. }
      rewrite E4 in E3.
      assert (E5 : (Y s k - Y s l) / (2 * lambda_H) * X = 0) by lra.
      apply Rmult_integral in E5. destruct E5 as [E5 | E5]; [| contradiction].
      apply Rmult_integral in E5. destruct E5 as [E5 | E5]; [exact E5 |].
      assert (/ (2 * lambda_H) <> 0) by (apply Rinv_neq_0_compat; lra). contradiction. }
    assert (M0 : pair_moment N pi Y k l = 0).
    { unfold pair_moment, expect. rewrite sum_zero; [field |]. intros s Hs. rewrite (C s Hs). ring. }
    rewrite M0 in Q0. assert (0 < c2) by now apply Rmult_lt_0_compat. 
    apply Rmult_integral in Q0. destruct Q0; [lra | contradiction]. }
  split.
  - intros j Hj. assert (E := sq_zero d (x W) X0 j Hj). unfold row_difference in E. lra.
  - assert (HN := law_inhabited N K pi Y law). assert (H0 : (0 < N)%nat) by lia.
    destruct (gap_zero W b H (Y 0%nat) (Z 0%nat H0)) as (A & _).
    assert (E := D (H (Y 0%nat))).
    rewrite (dot_zero_left d (x W)) in E by (apply sq_zero; exact X0). lra.
Qed.

(** ** At every global optimum *)

Theorem collapse W h : optimum N K d pi Y lambda_W lambda_H W h ->
  pair_moment N pi Y k l <= lambda_W * lambda_H -> forall j, (j < d)%nat -> W k j = W l j.
Proof.
  intros O M. apply (merged_already W no_bias h (below_threshold W M)). intros h'.
  rewrite (objective_ext N K d pi Y lambda_W lambda_H _ no_bias (merged k l no_bias) _ classes)
    by (intros; unfold merged, no_bias; field). apply O.
Qed.

Theorem collapse_free_bias W b h : optimum_free_bias N K d pi Y lambda_W lambda_H W b h ->
  pair_moment N pi Y k l <= lambda_W * lambda_H -> (forall j, (j < d)%nat -> W k j = W l j) /\ b k = b l.
Proof. intros O M. apply (merged_already W b h (below_threshold W M)). intros h'. apply O. Qed.

Lemma merged_penalised lambda_b W b h : 0 < lambda_b ->
  optimum_penalised_bias N K d pi Y lambda_W lambda_H lambda_b W b h ->
  forall h', L W b h <= L (merged_rows k l W) (merged k l b) h'.
Proof.
  intros Pb O h'. specialize (O (merged_rows k l W) (merged k l b) h').
  enough (E : sq K (merged k l b) <= sq K b) by nra.
  apply Rle_trans with (sum K (fun i => / 2 * (b i * b i) + / 2 * (b (swap k l i) * b (swap k l i)))).
  - apply sum_le. intros i _. unfold merged. assert (0 <= (b i - b (swap k l i)) * (b i - b (swap k l i))) by apply Rle_0_sqr. lra.
  - rewrite sum_plus, !sum_scal, (sum_swap K k l (fun i => b i * b i)) by assumption. unfold sq. lra.
Qed.

Theorem collapse_penalised_bias lambda_b W b h : 0 < lambda_b ->
  optimum_penalised_bias N K d pi Y lambda_W lambda_H lambda_b W b h ->
  pair_moment N pi Y k l <= lambda_W * lambda_H -> (forall j, (j < d)%nat -> W k j = W l j) /\ b k = b l.
Proof.
  intros Pb O M. apply (merged_already W b h (below_threshold W M)). now apply (merged_penalised lambda_b).
Qed.

Lemma merged_moment W b h : (K - 1 <= d)%nat -> (forall W' h', L W b h <= L W' b h') ->
  (forall j, (j < d)%nat -> W k j = W l j) -> b k = b l -> pair_moment N pi Y k l <= c2.
Proof.
  intros Hd O E Eb.
  assert (B := optimum_moment N K d pi Y lambda_W lambda_H b classes law positive_W positive_H Hd W h O
                 (fun i => delta k i - delta l i)).
  assert (S : sq K (fun i => delta k i - delta l i) = 2).
  { rewrite sq_minus. unfold sq, dot. rewrite !sum_delta, !delta_same, delta_other by auto. ring. }
  rewrite S in B. unfold moment in B.
  rewrite (expect_ext N pi _ (fun s => (Y s k - Y s l) * (Y s k - Y s l))) in B; [unfold pair_moment; lra |].
  intros s _.
  assert (D : dot K (point_residual K d Y b W h s) (fun i => delta k i - delta l i) = Y s k - Y s l).
  { rewrite dot_minus_r, !(dot_sym K (point_residual K d Y b W h s)). unfold dot. rewrite !sum_delta by assumption.
    unfold point_residual, residual, predicted.
    assert (Z : logits d W b (h s) k = logits d W b (h s) l).
    { unfold logits, mul. rewrite Eb. f_equal. now apply dot_ext. }
    unfold softmax. rewrite Z. ring. }
  now rewrite D.
Qed.

(** With d >= K - 1: exactly then. *)
Theorem collapse_iff W h : (K - 1 <= d)%nat -> optimum N K d pi Y lambda_W lambda_H W h ->
  ((forall j, (j < d)%nat -> W k j = W l j) <-> pair_moment N pi Y k l <= lambda_W * lambda_H).
Proof.
  intros Hd O. split; [| now apply (collapse W h O)]. intros E. now apply (merged_moment W no_bias h Hd O E).
Qed.

Lemma merged_bias W b h : (forall j, (j < d)%nat -> W k j = W l j) ->
  (forall h', L W b h <= L (merged_rows k l W) (merged k l b) h') -> b k = b l.
Proof.
  intros E O. apply (merged_already W b h); [| exact O].
  assert (Z : sq d (x W) = 0).
  { apply sum_zero. intros j Hj. unfold row_difference. rewrite E by exact Hj. ring. }
  rewrite Z. lra.
Qed.

Theorem collapse_free_bias_iff W b h : (K - 1 <= d)%nat -> optimum_free_bias N K d pi Y lambda_W lambda_H W b h ->
  ((forall j, (j < d)%nat -> W k j = W l j) <-> pair_moment N pi Y k l <= lambda_W * lambda_H).
Proof.
  intros Hd O. split; [| intros M; now apply (collapse_free_bias W b h O)]. intros E.
  apply (merged_moment W b h Hd (fun W' h' => O W' b h') E). apply (merged_bias W b h E). intros h'. apply O.
Qed.

Theorem collapse_penalised_bias_iff lambda_b W b h : (K - 1 <= d)%nat -> 0 < lambda_b ->
  optimum_penalised_bias N K d pi Y lambda_W lambda_H lambda_b W b h ->
  ((forall j, (j < d)%nat -> W k j = W l j) <-> pair_moment N pi Y k l <= lambda_W * lambda_H).
Proof.
  intros Hd Pb O. split; [| intros M; now apply (collapse_penalised_bias lambda_b W b h Pb O)]. intros E.
  apply (merged_moment W b h Hd); [| exact E | apply (merged_bias W b h E); now apply (merged_penalised lambda_b)].
  intros W' h'. specialize (O W' b h'). lra.
Qed.

(** Features follow: labels that differ only at classes which share the row and the bias of class k have one feature. *)
Theorem shared_feature W b h s t : (forall h', L W b h <= L W b h') -> (s < N)%nat -> (t < N)%nat ->
  (forall i, (i < K)%nat -> Y s i <> Y t i -> (forall j, (j < d)%nat -> W i j = W k j) /\ b i = b k) ->
  forall j, (j < d)%nat -> h s j = h t j.
Proof.
  intros O Hs Ht E.
  assert (Min : forall u v, (u < N)%nat -> sample W b (h u) (Y u) <= sample W b v (Y u)).
  { intros u v Hu. specialize (O (fun i => if Nat.eqb i u then v else h i)). unfold objective in O.
    assert (D : expect N pi (fun i => sample W b (if Nat.eqb i u then v else h i) (Y i))
                - expect N pi (fun i => sample W b (h i) (Y i))
                = pi u * (sample W b v (Y u) - sample W b (h u) (Y u))).
    { rewrite <- expect_minus. unfold expect.
      rewrite <- (sum_delta N u (fun i => pi i * (sample W b v (Y i) - sample W b (h i) (Y i)))) by exact Hu.
      apply sum_ext. intros i _. unfold delta. destruct (Nat.eqb i u); ring. }
    unfold sample_loss in D at 1 2. assert (P := proj1 law u Hu).
    assert (0 <= pi u * (sample W b v (Y u) - sample W b (h u) (Y u))) by lra.
    destruct (Rle_or_lt (sample W b (h u) (Y u)) (sample W b v (Y u))) as [G | G]; [exact G | nra]. }
  assert (Same : forall v, sample W b v (Y s) = sample W b v (Y t)).
  { intros v. unfold sample_loss. f_equal. unfold CE. set (z := logits d W b v).
    enough (Q : sum K (fun i => Y s i * (lse K z - z i) - Y t i * (lse K z - z i)) = 0) by (rewrite sum_minus in Q; lra).
    rewrite (sum_ext K _ (fun i => (lse K z - z k) * (Y s i - Y t i))).
    - rewrite sum_scal, sum_minus, !(label_sum N K pi Y law) by assumption. ring.
    - intros i Hi. destruct (Req_dec (Y s i) (Y t i)) as [F | F]; [rewrite F; ring |].
      destruct (E i Hi F) as [A B].
      assert (Z : z i = z k) by (unfold z, logits, mul; rewrite B; f_equal; now apply dot_ext).
      rewrite Z. ring. }
  set (m := fun j => (h s j + h t j) / 2).
  assert (A := Min s m Hs). assert (B := Min t m Ht). assert (B' := Min s (h t) Hs). rewrite <- (Same m) in B.
  assert (C := Same (h t)).
  assert (Mid : sample W b (h s) (Y s) + sample W b (h t) (Y s)
    >= 2 * sample W b m (Y s) + lambda_H / 4 * sq d (fun j => h s j - h t j)).
  { unfold sample_loss. set (z := logits d W b m).
    rewrite (CE_bregman K z (logits d W b (h s)) (Y s) classes (label_sum N K pi Y law s Hs)).
    rewrite (CE_bregman K z (logits d W b (h t)) (Y s) classes (label_sum N K pi Y law s Hs)).
    assert (P := positive_simplex K _ (softmax_positive K z classes)).
    assert (K1 := KL_nonneg K _ _ P (softmax_positive K (logits d W b (h s)) classes)).
    assert (K2 := KL_nonneg K _ _ P (softmax_positive K (logits d W b (h t)) classes)).
    assert (Z : dot K (fun i => softmax K z i - Y s i) (fun i => logits d W b (h s) i - z i)
                + dot K (fun i => softmax K z i - Y s i) (fun i => logits d W b (h t) i - z i) = 0).
    { unfold dot. rewrite <- sum_plus. apply sum_zero. intros i _. unfold z, logits, mul.
      assert (F : forall n, dot n (W i) (h s) + dot n (W i) (h t) = 2 * dot n (W i) m).
      { intros n. unfold dot, m. induction n as [| n IH]; simpl; [ring | lra]. }
      specialize (F d). nra. }
    assert (F : forall n, sq n (h s) + sq n (h t) = 2 * sq n m + / 2 * sq n (fun j => h s j - h t j)).
    { intros n. unfold sq, m. induction n as [| n IH]; simpl; [ring | lra]. }
    specialize (F d). nra. }
  assert (V := sq_nonneg d (fun j => h s j - h t j)).
  assert (Z : sq d (fun j => h s j - h t j) = 0) by nra.
  intros j Hj. assert (F := sq_zero d _ Z j Hj). simpl in F. lra.
Qed.
End Collapse.
