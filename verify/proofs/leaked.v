(* The bound on leaks that the kernel computes, from powers of 2.718281828 and of 2.

   Lemma K5 of docs/certificates.md, its last step: n positions whose scores are lower by a gap
   have together at most the weight n / (n + power), where power is 2.718281828^gap for a gap
   below 100, else 2^floor(1.442 min(gap, 100000)). Both are at most e^gap, of any function that
   weights.v takes for an exponential: 2^75 <= 2.718^52 is computed in binary integers.

   In Python: `leaked` in verify/kernel/arithmetic.py. *)

From Coq Require Import NArith.
From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer weights.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Lemma to_nat_power a k : N.to_nat (a ^ N.of_nat k)%num = (N.to_nat a ^ k)%N.
Proof.
elim: k => // k IH; rewrite Nnat.Nat2N.inj_succ N.pow_succ_r' Nnat.N2Nat.inj_mul IH.
by rewrite expnS multE.
Qed.

Lemma to_nat_le a b : (a <=? b)%num -> (N.to_nat a <= N.to_nat b)%N.
Proof. by move=> /N.leb_le/N.sub_add <-; rewrite Nnat.N2Nat.inj_add leq_addl. Qed.

Lemma to_nat_powers a b c k l :
  (a ^ N.of_nat k * b ^ N.of_nat l <=? c ^ N.of_nat l)%num ->
  (N.to_nat a ^ k * N.to_nat b ^ l <= N.to_nat c ^ l)%N.
Proof. by move/to_nat_le; rewrite Nnat.N2Nat.inj_mul multE !to_nat_power. Qed.

Lemma powers_compared : (2 ^ 75 * 1000 ^ 52 <= 2718 ^ 52)%N.
Proof. by apply: (@to_nat_powers 2 1000 2718); vm_compute. Qed.

Section Leaked.
Variables (F : realFieldType) (expo : F -> F).
Hypothesis expo_is : exponential expo.

Notation below := (euler_below F).

Lemma below_above : 2718%:R / 1000%:R <= below.
Proof.
have drop (a b c e : nat) : (0 < b)%N ->
    a%:R / b%:R <= ((a%:R * b%:R + c%:R) * b%:R + e%:R) / b%:R ^+ 3 :> F.
  move=> b_gt0; have pos : 0 < b%:R :> F by rewrite ltr0n.
  rewrite ler_pdivl_mulr ?exprn_gt0 // exprS mulrA divfK ?gt_eqF // expr2 mulrA.
  rewrite mulrDl -addrA ler_addl addr_ge0 // ?mulr_ge0 ?ler0n //.
exact: drop.
Qed.

Lemma below_gt0 : 0 < below.
Proof.
have pos (a b : nat) : (0 < a)%N -> (0 < b)%N -> 0 < a%:R / b%:R :> F.
  by move=> a_gt0 b_gt0; rewrite divr_gt0 ?ltr0n.
exact: (lt_le_trans (pos 2718%N 1000%N isT isT) below_above).
Qed.

Lemma below_power : 2%:R ^+ 75 <= below ^+ 52.
Proof.
have powers (a b : nat) : (0 < b)%N -> (2 ^ 75 * b ^ 52 <= a ^ 52)%N ->
    a%:R / b%:R <= below -> 2%:R ^+ 75 <= below ^+ 52.
  move=> b_gt0 compared /(ler_expn2r 52) above; apply: le_trans (above _ _).
  - by rewrite expr_div_n ler_pdivl_mulr ?exprn_gt0 ?ltr0n // -!natrX -natrM ler_nat.
  - by rewrite nnegrE divr_ge0 ?ler0n.
  - by rewrite nnegrE ltW ?below_gt0.
exact: (powers 2718%N 1000%N isT powers_compared below_above).
Qed.

Lemma exponential_above gap : below ^+ gap <= expo gap%:R.
Proof.
have [pos add mono one] := expo_is; elim: gap => [|gap IH].
  by rewrite expr0 (expo0 expo_is).
by rewrite -addn1 natrD add exprD expr1 ler_pmul // ?exprn_ge0 // ltW // below_gt0.
Qed.

Lemma fraction_above gap : (1442 * gap %/ 1000 * 52 <= 75 * gap)%N.
Proof.
have := leq_trunc_div (1442 * gap) 1000; set a := (1442 * gap %/ 1000)%N.
have -> : (a * 1000 = a * 500 * 2)%N by rewrite -mulnA.
rewrite -[1442%N]/(721 * 2)%N [(721 * 2 * gap)%N]mulnAC leq_pmul2r // => le_a.
rewrite -(@leq_pmul2r 125) // -mulnA -[(52 * 125)%N]/(500 * 13)%N mulnA.
apply: (@leq_trans (721 * gap * 13)); first by rewrite leq_mul2r le_a.
by rewrite mulnAC [(75 * gap * 125)%N]mulnAC leq_mul2r orbT.
Qed.

Lemma exponential_above_two gap : 2%:R ^+ (1442 * gap %/ 1000) <= expo gap%:R.
Proof.
apply: le_trans (exponential_above gap).
rewrite -(@ler_pexpn2r _ 52) // ?nnegrE ?exprn_ge0 ?ler0n ?(ltW below_gt0) //.
rewrite -!exprM; apply: (@le_trans _ _ (2%:R ^+ (75 * gap))).
  by rewrite ler_weexpn2l ?ler1n // fraction_above.
rewrite [(gap * 52)%N]mulnC !exprM.
by rewrite ler_expn2r ?nnegrE ?exprn_ge0 ?ler0n ?(ltW below_gt0) // below_power.
Qed.

(* `leaked`. *)
Definition power (gap : nat) : F :=
  if (gap < 100)%N then below ^+ gap else 2%:R ^+ (1442 * minn gap (10 ^ 5) %/ 1000).

Theorem leaked_bounds_softmax n gap : softmax_leak expo n gap%:R <= n%:R / (n%:R + power gap).
Proof.
have [pos _ mono _] := expo_is; have power_gt0 : 0 < power gap.
  by rewrite /power; case: ifP => _; rewrite exprn_gt0 ?below_gt0 ?ltr0n.
rewrite /softmax_leak ler_wpmul2l ?ler0n // lef_pinv ?posrE ?ltr_paddl ?ler0n // ler_add2l.
rewrite /power; case: ifP => _; first exact: exponential_above.
by apply: (le_trans (exponential_above_two _)); apply: mono; rewrite ler_nat geq_minl.
Qed.

End Leaked.
