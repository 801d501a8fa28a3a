(** The equations and closed forms of ufm.theory.formulas, which the package computes with.

    Written by python -m proofs --formal, not by hand. expm1 t is exp t - 1, log1p t is ln (1 + t). *)

Require Import Reals.
Open Scope R_scope.

Definition excess (x o b : R) : R :=
  ((x + (o * (exp x - 1))) - b).

Definition excess_slope (x o : R) : R :=
  (1 + (o * (exp x))).

Definition mass (total o K : R) : R :=
  (total - (K * o)).

Definition log_omega (u y : R) : R :=
  ((u + (exp u)) - y).

Definition difference (D A target : R) : R :=
  ((D + (A * (tanh (D / 2)))) - target).

Definition goal (K product : R) : R :=
  ((K - 1) * product).

Definition affine_sharpness (threshold product : R) : R :=
  ((threshold - product) / (product + (sqrt (threshold * product)))).

Definition least_sharpness (affine : R) : R :=
  (2 * affine).

Definition most_sharpness (K product : R) : R :=
  ((2 * (ln K)) / ((K - 1) * product)).

Definition multiplier_square (a K lambda_h : R) : R :=
  (((a * (K - 1)) * lambda_h) / K).

Definition mixed_square (alpha : R) : R :=
  ((alpha + 1) / ((2 * alpha) + 1)).

Definition label_spread (rho share K : R) : R :=
  ((((1 - share) * rho) + (share - (1 / K))) / (K - 1)).

Definition wrong_share (K lambda_w lambda_h smoothing : R) : R :=
  ((sqrt ((K * lambda_w) * lambda_h)) + smoothing).

Definition class_gap (K share : R) : R :=
  (ln (1 + ((K * (1 - share)) / share))).

Definition class_gain (gap K lambda_w lambda_h : R) : R :=
  (gap * (sqrt (lambda_h / (K * lambda_w)))).

Definition affine_logit (y a : R) : R :=
  (y / (1 + (1 / a))).

Definition design_residual (c weight unit K : R) : R :=
  ((c / (sqrt weight)) * (unit - (1 / K))).
