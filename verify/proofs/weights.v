(* How scores become weights: softmax, and its limit.

   Lemma K5 of docs/certificates.md (leaks), its first half, and the weights of Lemma K4. Let the
   positions of a set A have one score, and all others a score lower by `gap` or more. Then those
   of A have one weight, and all others together at most `leak gap`:

     softmax    leak gap = n / (n + e^gap), n positions beside one     (`softmax_leaks`)
     the limit  leak gap = 0 for gap > 0: equal weights on the largest  (`limit_leaks`)

   The exponential is abstract: any function into an ordered field that is positive, increasing,
   turns sums into products, and is at least 2.718281828 at 1. `exponential_above` bounds it from
   below as `leaked` in verify/kernel/arithmetic.py does, by 2.718281828^gap and by
   2^floor(1.442 gap). *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

(* What the kernel uses of a weighing, at the deciding position, which all others precede. *)
Definition leaks_at_most (F : realDomainType) (weigh : weighing F) n (leak : F -> F) : Prop :=
  forall (s : {ffun 'I_n.+1 -> F}) (A : {set 'I_n.+1}) gap,
    (exists p, p \in A) ->
    (forall p q, p \in A -> q \in A -> s p = s q) ->
    (forall p q, p \in A -> q \notin A -> gap <= s p - s q) ->
    [/\ forall q, 0 <= weigh n ord_max s q,
        \sum_q weigh n ord_max s q = 1,
        forall p q, p \in A -> q \in A -> weigh n ord_max s p = weigh n ord_max s q
      & \sum_(q | q \notin A) weigh n ord_max s q <= leak gap].

Section Softmax.
Variable F : realFieldType.

(* 2.718281828 *)
Definition euler_below : F := ((2718%:R * 1000%:R + 281%:R) * 1000%:R + 828%:R) / 1000%:R ^+ 3.

Record exponential (expo : F -> F) : Prop := Exponential {
  expo_gt0 : forall a, 0 < expo a;
  expoD : forall a b, expo (a + b) = expo a * expo b;
  expo_le : forall a b, a <= b -> expo a <= expo b;
  expo_1 : euler_below <= expo 1
}.

Variable expo : F -> F.
Hypothesis expo_is : exponential expo.

Definition softmax : weighing F := fun n p s q =>
  expo (s q) / \sum_(r : 'I_n.+1 | (r <= p)%N) expo (s r).

Definition softmax_leak (n : nat) (gap : F) : F := n%:R / (n%:R + expo gap).

Lemma expo0 : expo 0 = 1.
Proof.
have [pos add _ _] := expo_is.
by apply: (mulfI (lt0r_neq0 (pos 0))); rewrite -add addr0 mulr1.
Qed.

Theorem softmax_leaks n : leaks_at_most softmax n (softmax_leak n).
Proof.
move=> s A gap [a in_A] alike lower; have [pos add mono _] := expo_is.
have all_before (q : 'I_n.+1) : (q <= (ord_max : 'I_n.+1))%N by rewrite -ltnS.
set total := \sum_(r : 'I_n.+1 | (r <= (ord_max : 'I_n.+1))%N) expo (s r).
have totalE : total = \sum_r expo (s r) by apply: eq_bigl => r; rewrite all_before.
have total_gt0 : 0 < total.
  by rewrite totalE (bigD1 a) //= ltr_paddr // sumr_ge0 // => q _; apply: ltW.
have weightE q : softmax ord_max s q = expo (s q) / total by [].
split=> [q||p q p_A q_A|].
- by rewrite weightE divr_ge0 // ltW.
- under eq_bigr do rewrite weightE.
  by rewrite -mulr_suml -totalE divff // gt_eqF.
- by rewrite !weightE (alike p q).
under eq_bigr do rewrite weightE.
rewrite -mulr_suml ler_pdivr_mulr // /softmax_leak mulrAC ler_pdivl_mulr; last first.
  by rewrite ltr_paddl ?ler0n.
set outside := \sum_(q | q \notin A) expo (s q).
have -> : total = \sum_(q in A) expo (s q) + outside by rewrite totalE (bigID (mem A)).
have above : expo (s a) <= \sum_(q in A) expo (s q).
  by rewrite (bigD1 a) //= ler_addl sumr_ge0 // => q _; apply: ltW.
have few : (#|[predC A]| <= n)%N.
  have := cardC A; rewrite card_ord => all_of_them.
  have some : (0 < #|A|)%N by apply/card_gt0P; exists a.
  have : (#|[predC A]| < #|A| + #|[predC A]|)%N by rewrite -[X in (X < _)%N]add0n ltn_add2r.
  by rewrite all_of_them ltnS.
have below : outside * expo gap <= n%:R * expo (s a).
  rewrite mulr_suml; apply: (@le_trans _ _ (\sum_(q | q \notin A) expo (s a))).
    apply: ler_sum => q out; rewrite -add; apply: mono.
    by have := lower a q in_A out; rewrite ler_subr_addl.
  by rewrite (sumr_const [predC A]) -[X in X <= _]mulr_natl ler_wpmul2r ?ler_nat // ltW.
rewrite !mulrDr [outside * n%:R]mulrC addrC ler_add2r.
by apply: (le_trans below); rewrite ler_wpmul2l ?ler0n.
Qed.

(* The limit: equal weights on the positions of the largest score, 0 on all others. *)
Definition largest n (p : 'I_n.+1) (s : {ffun 'I_n.+1 -> F}) : {set 'I_n.+1} :=
  [set q : 'I_n.+1 | (q <= p)%N && [forall r : 'I_n.+1, (r <= p)%N ==> (s r <= s q)]].

Definition limit_weighing : weighing F := fun n p s q =>
  if q \in largest p s then #|largest p s|%:R^-1 else 0.

Definition limit_leak (gap : F) : F := if 0 < gap then 0 else 1.

Theorem limit_leaks n : leaks_at_most limit_weighing n limit_leak.
Proof.
move=> s A gap [a in_A] alike lower; set B := largest ord_max s.
have in_B q : (q \in B) = [forall r, s r <= s q].
  rewrite inE -ltnS ltn_ord; apply: eq_forallb => r.
  by rewrite -[X in X ==> _]ltnS ltn_ord.
have B_gt0 : (0 < #|B|)%N.
  case: (@arg_maxP _ _ _ ord0 xpredT s isT) => b _ top.
  by apply/card_gt0P; exists b; rewrite in_B; apply/forallP=> r; apply: top.
have weightE q : limit_weighing ord_max s q = if q \in B then #|B|%:R^-1 else 0 by [].
have ge0 q : 0 <= limit_weighing ord_max s q.
  by rewrite weightE; case: ifP => _; rewrite ?invr_ge0 ?ler0n.
have sum1 : \sum_q limit_weighing ord_max s q = 1.
  under eq_bigr do rewrite weightE.
  by rewrite -big_mkcond sumr_const -[LHS]mulr_natl divff // pnatr_eq0 -lt0n.
split=> // [p q in_p in_q|].
  by rewrite !weightE !in_B (alike p q).
rewrite /limit_leak; case: ifP => [gap_gt0|_]; last first.
  by rewrite -sum1 [in X in _ <= X](bigID (mem A)) /= ler_addr sumr_ge0.
rewrite big1 // => q out; rewrite weightE in_B ifN //; apply/negP=> /forallP/(_ a).
by rewrite leNgt -subr_gt0 (lt_le_trans gap_gt0 (lower a q in_A out)).
Qed.

End Softmax.
