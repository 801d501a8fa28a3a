(** Merging the rows of two classes that the law cannot tell apart.

    If no mean notices that classes k and l have been exchanged, one identity says what the objective gains where both
    rows, and both biases, are replaced by their mean: squares and divergences, and the squared distance of the rows
    times lambda_W lambda_H - E (y_k - y_l)^2 / 2. *)

Require Import Reals Lra Lia.
From UFM Require Import Sums Entropy Convex Gap Answer Roots Exchange.
Open Scope R_scope.

(** No mean notices that classes k and l have been exchanged. *)
Definition exchangeable_pair (N K : nat) (pi : nat -> R) (Y : nat -> nat -> R) (k l : nat) : Prop :=
  forall f, reads_label K f ->
  expect N pi (fun s => f (fun i => Y s (swap k l i))) = expect N pi (fun s => f (Y s)).

(** E (y_k - y_l)^2 / 2, the eigenvalue of the labels' second moments at e_k - e_l. *)
Definition pair_moment (N : nat) (pi : nat -> R) (Y : nat -> nat -> R) (k l : nat) : R :=
  expect N pi (fun s => (Y s k - Y s l) * (Y s k - Y s l)) / 2.

(** Both entries, or rows, of k and l replaced by their mean; all others kept. *)
Definition merged (k l : nat) (b : nat -> R) (i : nat) : R := (b i + b (swap k l i)) / 2.
Definition merged_rows (k l : nat) (W : nat -> nat -> R) (i j : nat) : R := (W i j + W (swap k l i) j) / 2.
Definition row_difference (W : nat -> nat -> R) (k l j : nat) : R := W k j - W l j.

Lemma merged_swap k l b i : merged k l b (swap k l i) = merged k l b i.
Proof. unfold merged. rewrite swap_twice. field. Qed.

(** ** Features that depend on the label only *)

Definition label_features (K : nat) (H : (nat -> R) -> nat -> R) : Prop :=
  forall u v, (forall k, (k < K)%nat -> u k = v k) -> forall j, H u j = H v j.

Lemma same_label K (u v : nat -> R) :
  {forall k, (k < K)%nat -> u k = v k} + {~ (forall k, (k < K)%nat -> u k = v k)}.
Proof.
  induction K as [| K IH]; [left; intros k Hk; lia |].
  destruct IH as [E | E]; [destruct (Req_EM_T (u K) (v K)) as [F | F] |].
  - left. intros k Hk. destruct (Nat.eq_dec k K) as [-> | D]; [exact F | apply E; lia].
  - right. intros G. apply F, G. lia.
  - right. intros G. apply E. intros k Hk. apply G. lia.
Qed.

(** Of the samples below n with label y one of least cost. *)
Fixpoint cheapest (K : nat) (Y : nat -> nat -> R) (cost : nat -> R) (n : nat) (y : nat -> R) : option nat :=
  match n with
  | O => None
  | S m =>
    if same_label K (Y m) y then
      match cheapest K Y cost m y with
      | Some t => if Rle_dec (cost t) (cost m) then Some t else Some m
      | None => Some m
      end
    else cheapest K Y cost m y
  end.

Lemma cheapest_some K Y cost n y s : (s < n)%nat -> (forall k, (k < K)%nat -> Y s k = y k) ->
  exists t, cheapest K Y cost n y = Some t /\ (t < n)%nat /\ (forall k, (k < K)%nat -> Y t k = y k) /\ cost t <= cost s.
Proof.
  induction n as [| n IH]; intros Hs E; [lia |]. cbn [cheapest].
  destruct (Nat.eq_dec s n) as [-> | D].
  - destruct (same_label K (Y n) y) as [_ | F]; [| contradiction].
    assert (Q : forall t, cheapest K Y cost n y = Some t -> (t < n)%nat /\ forall k, (k < K)%nat -> Y t k = y k).
    { clear. induction n as [| n IH]; cbn [cheapest]; intros t T; [discriminate |].
      destruct (same_label K (Y n) y) as [F | F]; [| destruct (IH t T); split; auto].
      destruct (cheapest K Y cost n y) as [u |]; [| injection T as <-; split; auto].
      destruct (Rle_dec (cost u) (cost n)); injection T as <-; [destruct (IH u eq_refl) |]; split; auto. }
    destruct (cheapest K Y cost n y) as [t |].
    + destruct (Q t eq_refl) as [Ht Et].
      destruct (Rle_dec (cost t) (cost n)) as [L | L];
        [exists t | exists n]; (split; [reflexivity | split; [lia | split; [assumption | lra]]]).
    + exists n. split; [reflexivity | split; [lia | split; [exact E | lra]]].
  - destruct (IH ltac:(lia) E) as (t & T & Ht & Et & L). rewrite T.
    destruct (same_label K (Y n) y) as [F | F].
    + destruct (Rle_dec (cost t) (cost n)) as [G | G];
        [exists t | exists n]; (split; [reflexivity | split; [lia | split; [assumption | lra]]]).
    + exists t. split; [reflexivity | split; [lia | split; assumption]].
Qed.

(** Cross-entropy and penalty of one feature. *)
Definition sample_loss (K d : nat) (lambda_H : R) (W : nat -> nat -> R) (b h y : nat -> R) : R :=
  CE K (logits d W b h) y + lambda_H / 2 * sq d h.

Section Merge.
Variables (N K d : nat) (pi : nat -> R) (Y : nat -> nat -> R) (lambda_W lambda_H : R) (k l : nat).
Hypothesis classes : (0 < K)%nat.
Hypothesis law : label_law N K pi Y.
Hypothesis positive_H : 0 < lambda_H.
Hypothesis class_k : (k < K)%nat.
Hypothesis class_l : (l < K)%nat.
Hypothesis different : k <> l.
Hypothesis symmetric : exchangeable_pair N K pi Y k l.

Notation L := (objective N K d pi Y lambda_W lambda_H).
Notation c2 := (lambda_W * lambda_H).
Notation swapped := (fun (y : nat -> R) i => y (swap k l i)).
Notation x W := (row_difference W k l).
Notation sample := (sample_loss K d lambda_H).

Lemma sample_loss_ext W b h h' y y' :
  (forall i, (i < K)%nat -> y i = y' i) -> (forall j, (j < d)%nat -> h j = h' j) -> sample W b h y = sample W b h' y'.
Proof.
  intros Ey Eh. unfold sample_loss. rewrite (sq_ext d h h' Eh). f_equal.
  apply CE_ext; [| exact Ey]. intros i _. unfold logits. now rewrite (mul_ext d W h h').
Qed.

(** Features that depend on the label only cost no more. *)
Lemma label_features_exist W b h :
  exists H, label_features K H /\ L W b (fun s => H (Y s)) <= L W b h.
Proof.
  set (cost := fun s => sample W b (h s) (Y s)).
  exists (fun y => match cheapest K Y cost N y with Some t => h t | None => fun _ => 0 end). split.
  - intros u v E j.
    assert (Q : forall n, cheapest K Y cost n u = cheapest K Y cost n v); [| now rewrite Q].
    induction n as [| n IH]; [reflexivity |]. cbn [cheapest]. rewrite IH.
    destruct (same_label K (Y n) u) as [A | A], (same_label K (Y n) v) as [B | B]; auto; exfalso.
    + apply B. intros i Hi. rewrite A, E; auto.
    + apply A. intros i Hi. rewrite B, E; auto.
  - unfold objective. apply Rplus_le_compat_r. apply (expect_le N K pi Y law). intros s Hs.
    destruct (cheapest_some K Y cost N (Y s) s Hs (fun _ _ => eq_refl)) as (t & -> & Ht & Et & C).
    change (sample W b (h t) (Y s) <= sample W b (h s) (Y s)).
    rewrite (sample_loss_ext W b (h t) (h t) (Y s) (Y t)); auto. intros i Hi. symmetry. auto.
Qed.

(** ** The identity *)

Lemma softmax_merged z i : (forall m, z (swap k l m) = z m) -> softmax K z (swap k l i) = softmax K z i.
Proof. intros E. unfold softmax. now rewrite E. Qed.

Lemma merged_logits W b h i :
  logits d (merged_rows k l W) (merged k l b) h (swap k l i) = logits d (merged_rows k l W) (merged k l b) h i.
Proof.
  unfold logits. rewrite merged_swap. f_equal. apply dot_ext; auto. intros j _.
  unfold merged_rows. rewrite swap_twice. field.
Qed.

(** One label and its exchange, with any two features: what merging the rows leaves. *)
Lemma pair_identity W b h h' y : sum K y = 1 ->
  let e := fun j => (h j - h' j) / 2 in
  let m := fun j => (h j + h' j) / 2 in
  let z := logits d (merged_rows k l W) (merged k l b) m in
  sample W b h y + sample W b h' (swapped y)
  = 2 * sample (merged_rows k l W) (merged k l b) m y
    + (KL K (softmax K z) (softmax K (logits d W b h)) + KL K (softmax K z) (softmax K (logits d W b h')))
    + lambda_H * sq d (fun j => e j - (y k - y l) / (2 * lambda_H) * x W j)
    - (y k - y l) * (y k - y l) * sq d (x W) / (4 * lambda_H).
Proof.
  intros HY e m z. unfold sample_loss. fold z.
  assert (Sz : forall i, z (swap k l i) = z i) by apply merged_logits.
  set (p := softmax K z).
  assert (Sp : forall i, p (swap k l i) = p i) by (intros; now apply softmax_merged).
  assert (HS : sum K (swapped y) = 1) by now rewrite sum_swap.
  rewrite (CE_bregman K z (logits d W b h) y classes HY).
  rewrite (CE_bregman K z (logits d W b h') (swapped y) classes HS). fold p.
  assert (Cz : CE K z (swapped y) = CE K z y).
  { unfold CE. rewrite <- (sum_swap K k l (fun i => y i * (lse K z - z i)) class_k class_l).
    apply sum_ext. intros i _. now rewrite Sz. }
  rewrite Cz.
  assert (T : dot K (fun i => p i - y i) (fun i => logits d W b h i - z i)
              + dot K (fun i => p i - swapped y i) (fun i => logits d W b h' i - z i)
              = - ((y k - y l) * dot d (x W) e)).
  { assert (A : dot K (fun i => p i - swapped y i) (fun i => logits d W b h' i - z i)
                = dot K (fun i => p i - y i) (fun i => logits d W b h' (swap k l i) - z i)).
    { unfold dot. rewrite <- (sum_swap K k l (fun i => (p i - y i) * (logits d W b h' (swap k l i) - z i)) class_k class_l).
      apply sum_ext. intros i _. now rewrite Sp, Sz, swap_twice. }
    rewrite A. unfold dot at 1 2. rewrite <- sum_plus.
    rewrite (sum_ext K _ (fun i => delta k i * ((p k - y k) * dot d (x W) e) - delta l i * ((p l - y l) * dot d (x W) e))).
    - rewrite sum_minus, !sum_delta by assumption.
      assert (E := Sp k). rewrite swap_left in E. rewrite E. ring.
    - intros i _.
      assert (E : logits d W b h i - z i + (logits d W b h' (swap k l i) - z i)
                  = dot d (fun j => W i j - W (swap k l i) j) e).
      { unfold z, logits, mul, merged.
        assert (F : forall n, dot n (W i) h + dot n (W (swap k l i)) h' - 2 * dot n (merged_rows k l W i) m
                    = dot n (fun j => W i j - W (swap k l i) j) e).
        { intros n. unfold dot, merged_rows, m, e. induction n as [| n IH]; simpl; [ring |].
          rewrite <- IH. field. }
        rewrite <- F. field. }
      transitivity ((p i - y i) * dot d (fun j => W i j - W (swap k l i) j) e); [rewrite <- E; ring |].
      unfold row_difference.
      destruct (Nat.eq_dec i k) as [-> | Nk].
      { rewrite swap_left, delta_same, (delta_other l k) by auto. ring. }
      destruct (Nat.eq_dec i l) as [-> | Nl].
      { rewrite swap_right, delta_same, (delta_other k l) by auto. rewrite !dot_minus_l. ring. }
      rewrite swap_other, !delta_other, dot_minus_l by auto. ring. }
  assert (Q : forall n c, lambda_H / 2 * sq n h + lambda_H / 2 * sq n h' - c * dot n (x W) e
    = 2 * (lambda_H / 2 * sq n m) + lambda_H * sq n (fun j => e j - c / (2 * lambda_H) * x W j)
      - c * c * sq n (x W) / (4 * lambda_H)).
  { intros n c. unfold sq, dot, m, e. induction n as [| n IH]; cbn [sum]; [field; lra |].
    rewrite !Rmult_plus_distr_l.
    match type of IH with ?a + ?b - ?c' = ?g => 
      match goal with |- ?a + ?a' + (?b + ?b') - (?c' + ?c'') = _ =>
        replace (a + a' + (b + b') - (c' + c'')) with ((a + b - c') + (a' + b' - c'')) by ring end end.
    rewrite IH. field. lra. }
  specialize (Q d (y k - y l)). lra.
Qed.

(** Merged features: the mean over a label and its exchange, and half their difference. *)
Definition merged_features (H : (nat -> R) -> nat -> R) (y : nat -> R) (j : nat) : R := (H y j + H (swapped y) j) / 2.
Definition half_difference (H : (nat -> R) -> nat -> R) (y : nat -> R) (j : nat) : R := (H y j - H (swapped y) j) / 2.
Definition merged_prediction W b H (y : nat -> R) : nat -> R :=
  softmax K (logits d (merged_rows k l W) (merged k l b) (merged_features H y)).

(** What is lost by not merging, label by label: two divergences and a square. *)
Definition merging_gap W b H (y : nat -> R) : R :=
  (KL K (merged_prediction W b H y) (softmax K (logits d W b (H y)))
   + KL K (merged_prediction W b H y) (softmax K (logits d W b (H (swapped y))))) / 2
  + lambda_H / 2 * sq d (fun j => half_difference H y j - (y k - y l) / (2 * lambda_H) * row_difference W k l j).

Lemma penalty_merged W :
  sum K (fun i => sq d (W i)) = sum K (fun i => sq d (merged_rows k l W i)) + sq d (x W) / 2.
Proof.
  assert (E : sum K (fun i => sq d (merged_rows k l W i))
    = sum K (fun i => / 2 * sq d (W i) + / 2 * sq d (W (swap k l i)) - / 4 * (delta k i * sq d (x W) + delta l i * sq d (x W)))).
  { apply sum_ext. intros i _.
    assert (A : forall n, sq n (merged_rows k l W i)
      = / 2 * sq n (W i) + / 2 * sq n (W (swap k l i)) - / 4 * sq n (fun j => W i j - W (swap k l i) j)).
    { intros n. unfold sq, merged_rows. induction n as [| n IH]; simpl; [field | rewrite IH; field]. }
    rewrite A. do 2 f_equal.
    destruct (Nat.eq_dec i k) as [-> | Nk].
    { rewrite swap_left, delta_same, (delta_other l k) by auto. unfold row_difference. ring. }
    destruct (Nat.eq_dec i l) as [-> | Nl].
    { rewrite swap_right, delta_same, (delta_other k l) by auto. unfold row_difference.
      rewrite !sq_minus, (dot_sym d (W l)). ring. }
    rewrite swap_other, !delta_other, sq_minus by auto. unfold sq, dot. ring. }
  rewrite E, sum_minus, sum_plus, !sum_scal, (sum_swap K k l (fun i => sq d (W i))) by assumption.
  rewrite sum_plus.
  rewrite (sum_delta K k (fun _ => sq d (x W))), (sum_delta K l (fun _ => sq d (x W))) by assumption. field.
Qed.

(** The objective of any W and b, and of any features that depend on the label, against that of the merged point. *)
Theorem merging_identity W b H : label_features K H ->
  L W b (fun s => H (Y s))
  = L (merged_rows k l W) (merged k l b) (fun s => merged_features H (Y s))
    + expect N pi (fun s => merging_gap W b H (Y s))
    + (lambda_W * lambda_H - pair_moment N pi Y k l) * sq d (row_difference W k l) / (4 * lambda_H).
Proof.
  intros HH. set (f := fun y => sample W b (H y) y).
  assert (Rf : reads_label K f) by (intros u v E; apply sample_loss_ext; auto).
  assert (A : expect N pi (fun s => f (Y s)) = expect N pi (fun s => (f (Y s) + f (swapped (Y s))) / 2)).
  { rewrite (expect_ext N pi (fun s => (f (Y s) + f (swapped (Y s))) / 2)
      (fun s => / 2 * f (Y s) + / 2 * f (fun i => Y s (swap k l i)))) by (intros; field).
    rewrite expect_plus, !expect_scal, (symmetric f Rf). field. }
  unfold objective. change (expect N pi (fun s => CE K (logits d W b (H (Y s))) (Y s) + lambda_H / 2 * sq d (H (Y s))))
    with (expect N pi (fun s => f (Y s))). rewrite A.
  rewrite (expect_ext N pi _ (fun s =>
    sample (merged_rows k l W) (merged k l b) (merged_features H (Y s)) (Y s) + merging_gap W b H (Y s)
    - sq d (x W) / (8 * lambda_H) * ((Y s k - Y s l) * (Y s k - Y s l)))).
  - rewrite expect_minus, expect_plus, expect_scal, penalty_merged.
    unfold sample_loss, pair_moment. field. lra.
  - intros s Hs. unfold f.
    rewrite (pair_identity W b (H (Y s)) (H (swapped (Y s))) (Y s) (label_sum N K pi Y law s Hs)).
    unfold merging_gap, merged_prediction, half_difference, merged_features. field. lra.
Qed.

Lemma merging_gap_nonneg W b H y : 0 <= merging_gap W b H y.
Proof.
  unfold merging_gap.
  assert (P := positive_simplex K _ (softmax_positive K (logits d (merged_rows k l W) (merged k l b) (merged_features H y)) classes)).
  assert (A := KL_nonneg K _ _ P (softmax_positive K (logits d W b (H y)) classes)).
  assert (B := KL_nonneg K _ _ P (softmax_positive K (logits d W b (H (swapped y))) classes)).
  fold (merged_prediction W b H y) in A, B.
  assert (Q := sq_nonneg d (fun j => half_difference H y j - (y k - y l) / (2 * lambda_H) * x W j)). nra.
Qed.

(** Merged rows cost no more, whatever the classifier, the bias and the features. *)
Theorem merged_not_worse W b h : pair_moment N pi Y k l <= lambda_W * lambda_H ->
  exists h', L (merged_rows k l W) (merged k l b) h' <= L W b h.
Proof.
  intros M. destruct (label_features_exist W b h) as (H & HH & HL).
  exists (fun s => merged_features H (Y s)).
  assert (I := merging_identity W b H HH).
  assert (G := expect_nonneg N K pi Y law (fun s => merging_gap W b H (Y s)) (fun s _ => merging_gap_nonneg W b H (Y s))).
  assert (Q : 0 <= (c2 - pair_moment N pi Y k l) * sq d (x W) / (4 * lambda_H)).
  { apply Rmult_le_pos; [| apply Rlt_le, Rinv_0_lt_compat; lra].
    apply Rmult_le_pos; [lra | apply sq_nonneg]. }
  lra.
Qed.

End Merge.
