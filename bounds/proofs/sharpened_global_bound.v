(* Proposition 2 for R >= 2: for k >= 2 at least (N!)^R / N^2 k-hop tables exist; the sharpened
   global bound for R = 2. (That for R >= 3 there are even (N!)^R / 2 is proven on paper.)

   Docs: docs/theorems/theorem_4_2.md, "Sharpened global bound". Python:
   `sharpened_global_bound`. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 lemma_1 global_bound.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* Where no value of h is taken more than n times, h takes at least #|A| / n values. *)
Lemma values_at_least (I J : finType) (h : I -> J) (A : {set I}) n :
  (forall x, x \in A -> #|[set y in A | h y == h x]| <= n) -> #|A| <= n * #|h @: A|.
Proof.
move=> few; rewrite -sum1_card (partition_big_imset h) /= mulnC -sum_nat_const.
apply: leq_sum => _ /imsetP[x x_in ->]; apply: leq_trans (few x x_in).
by rewrite sum1dep_card.
Qed.

Section Cycle.
Variable (T : finType).

(* All entities in one cycle. *)
Definition cycle_of_all : {perm T} := perm (can_inj (prev_next (enum_uniq T))).

(* Only its powers commute with it, and they are N. *)
Lemma centralizer_of_cycle : 0 < #|T| -> #|'C[cycle_of_all]%g| <= #|T|.
Proof.
move=> /card_gt0P[s0 _].
rewrite -(card_in_imset (f := fun tau : {perm T} => tau s0)) ?max_card //.
move=> tau rho /cent1P tau_c /cent1P rho_c same; apply/permP => s.
have reach : fconnect (next (enum T)) s0 s.
  by rewrite (fconnect_cycle (cycle_next (enum_uniq T))) ?mem_enum.
have commutes (pi : {perm T}) x : commute pi cycle_of_all ->
    pi (next (enum T) x) = next (enum T) (pi x).
  by move=> pi_c; have /permP/(_ x) := pi_c; rewrite !permM !permE.
rewrite -(iter_findex reach); elim: (findex _ _ _) => //= i IHi.
by rewrite !commutes ?IHi.
Qed.

(* The permutations that are one cycle: at least N!/N. *)
Definition one_cycle : {set {perm T}} := (cycle_of_all ^: [set: {perm T}])%g.

Lemma centralizer_of_one_cycle sigma : 0 < #|T| -> sigma \in one_cycle ->
  #|'C[sigma]%g| <= #|T|.
Proof.
by move=> T_gt0 /imsetP[x _ ->]; rewrite cent1J cardJg centralizer_of_cycle.
Qed.

Lemma many_cycles : 0 < #|T| -> #|T|`! <= #|one_cycle| * #|T|.
Proof.
move=> T_gt0; rewrite -card_permutations -cardsT.
rewrite -(LagrangeI [group of [set: {perm T}]] 'C[cycle_of_all]) -indexgI index_cent1 mulnC.
by rewrite leq_mul // setTI centralizer_of_cycle.
Qed.

End Cycle.

Section Sharpened.
Variables (T : finType) (R' : nat).
Local Notation R := R'.+2.
Local Notation choice := (({perm T} * {perm T}) * {ffun 'I_R' -> {perm T}})%type.

(* The tuples with f_1 = sigma f_0; c is (sigma, f_0, the other relations). *)
Definition tuple_of (c : choice) : facts T R := of_permutations
  [ffun r => if unlift ord0 r is Some r1 then
               if unlift ord0 r1 is Some r2 then c.2 r2 else (c.1.2 * c.1.1)%g
             else c.1.2].

Lemma tuple_of_0 c s : tuple_of c ord0 s = c.1.2 s.
Proof. by rewrite of_permutationsE ffunE unlift_none. Qed.

Lemma tuple_of_1 c s : tuple_of c (lift ord0 ord0) s = c.1.1 (c.1.2 s).
Proof. by rewrite of_permutationsE ffunE liftK unlift_none permM. Qed.

Lemma tuple_of_2 c r s : tuple_of c (lift ord0 (lift ord0 r)) s = c.2 r s.
Proof. by rewrite of_permutationsE ffunE !liftK. Qed.

Lemma tuple_of_inj c d : (forall r s, tuple_of c r s = tuple_of d r s) -> c = d.
Proof.
case: c d => [[c1 c0] c2] [[d1 d0] d2] same.
have e0 : c0 = d0 by apply/permP => s; have := same ord0 s; rewrite !tuple_of_0.
have e1 : c1 = d1.
  apply/permP => s; have := same (lift ord0 ord0) (c0^-1 s)%g.
  by rewrite !tuple_of_1 /= -e0 permKV.
have e2 : c2 = d2.
  apply/ffunP => r; apply/permP => s.
  by have := same (lift ord0 (lift ord0 r)) s; rewrite !tuple_of_2.
by rewrite e0 e1 e2.
Qed.

Definition cyclic_choices : {set choice} := setX (setX (one_cycle T) setT) setT.

(* A permutation on the left, and one on the right, of all relations. *)
Definition translated (f g : facts T R) : Prop :=
  exists tau rho : {perm T}, forall r s, f r s = tau (g r s) /\ f r s = g r (rho s).

(* A tuple with f_1 = sigma f_0, sigma one cycle, has at most N such translations. *)
Lemma few_translations c (B : {set choice}) : 0 < #|T| -> c \in cyclic_choices ->
  (forall d, d \in B -> translated (tuple_of d) (tuple_of c)) -> #|B| <= #|T|.
Proof.
move=> T_gt0; case: c => [[sigma g0] g]; rewrite !inE /= !andbT => sigma_cycle all_translated.
apply: leq_trans (centralizer_of_one_cycle T_gt0 sigma_cycle).
have left_of d : d \in B -> exists2 tau : {perm T}, tau = (g0^-1 * d.1.2)%g &
    tau \in 'C[sigma]%g /\ forall r s, tuple_of d r s = tau (tuple_of (sigma, g0, g) r s).
  move=> /all_translated[tau [rho tau_rho]]; exists tau.
    apply/permP => x; rewrite permM; have [] := tau_rho ord0 (g0^-1 x)%g.
    by rewrite !tuple_of_0 /= permKV => ->.
  split=> [|r s]; last by case: (tau_rho r s).
  apply/cent1P/permP => x; rewrite !permM.
  have [to_0 at_0] := tau_rho ord0 (g0^-1 x)%g.
  have [at_1 to_1] := tau_rho (lift ord0 ord0) (g0^-1 x)%g.
  move: at_0 to_0 at_1 to_1; rewrite !tuple_of_0 !tuple_of_1 /= permKV.
  by move=> -> <- -> ->.
rewrite -(card_in_imset (f := fun d : choice => (g0^-1 * d.1.2)%g)).
  by apply/subset_leq_card/subsetP => x /imsetP[d /left_of[tau <- []] ? _ ->].
move=> d e /left_of[tau tau_d [_ d_tau]] /left_of[rho rho_e [_ e_rho]] same_tau.
by apply: tuple_of_inj => r s; rewrite d_tau e_rho tau_d rho_e same_tau.
Qed.

Lemma many_cyclic_choices : 0 < #|T| -> #|T|`! ^ R <= #|T| * #|cyclic_choices|.
Proof.
move=> T_gt0; rewrite !cardsX !cardsT card_ffun card_ord card_permutations 2!expnS.
apply: leq_trans (leq_mul (many_cycles T_gt0) (leqnn _)) _.
by rewrite -!mulnA mulnCA.
Qed.

(* Proposition 2, the form that holds for all R >= 2. *)
Theorem proposition_2 k : 0 < #|T| ->
  #|T|`! ^ R <= #|T| ^ 2 * #|tables k.+1 (@bijections T R)|.
Proof.
move=> T_gt0; pose h c := table k.+1 (tuple_of c).
apply: leq_trans (many_cyclic_choices T_gt0) _.
rewrite -mulnn -[X in _ <= X]mulnA leq_mul2l; apply/orP; right.
apply: (@leq_trans (#|T| * #|h @: cyclic_choices|)).
  apply: values_at_least => c c_in; apply: few_translations T_gt0 c_in _ => d.
  by rewrite inE => /andP[_ /eqP]; apply: lemma_1; apply: of_permutations_bij.
rewrite leq_mul2l; apply/orP; right; apply/subset_leq_card/subsetP => _ /imsetP[c _ ->].
by apply: imset_f; apply: of_permutations_bij.
Qed.

End Sharpened.

(* (N!)^R / N^2 = ((N-1)!)^2 (N!)^(R-2). *)
Lemma sharpened_count N R' C : 0 < N -> N`! ^ R'.+2 <= N ^ 2 * C ->
  N.-1`! ^ 2 * N`! ^ R' <= C.
Proof.
move=> N_gt0 count; rewrite -(leq_pmul2l (m := N ^ 2)) ?expn_gt0 ?N_gt0 //.
apply: leq_trans _ count.
by rewrite mulnA -expnMn -[in N * _](prednK N_gt0) -factS prednK // -expnD.
Qed.

Theorem sharpened_global_bound (T : finType) (R B_T B_e B_u : nat)
    (F : format T R B_T B_e B_u) k : 1 < R -> fixed_unembedding F k.+1 bijections ->
  #|T|.-1`! ^ 2 * #|T|`! ^ (R - 2) <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof.
case: R F => [|[|R']] // F _; rewrite subSS subSS subn0.
case: (posnP #|T|) => [-> | T_gt0 /tables_bound]; first by rewrite fact0 !exp1n expn_gt0.
by apply: leq_trans; apply: sharpened_count T_gt0 (proposition_2 R' k T_gt0).
Qed.
