(* Proposition 3 (a) of imperfect recall: where few answers are wrong, nothing of the sharpened
   global bound is lost. (In the form with (N!)^R / N^2; part (b) is proven on paper.)

   Docs: docs/imperfect-recall.md, "Global", Proposition 3. Python:
   `imperfect_sharpened_global_bound`. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 lemma_1 global_bound sharpened_global_bound.
From bounds Require Import imperfect_recall.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* Of the R^d words u one has no query of D among its words `part u r`: those that begin, or those
   that end, with u. *)
Lemma spared_word (T : finType) R d (D : {set query T R d.+1})
    (part : d.-tuple 'I_R -> 'I_R -> seq 'I_R) :
  (forall u u' r r', part u r = part u' r' -> u = u') -> #|D| < R ^ d ->
  exists u, forall r s (w : d.+1.-tuple 'I_R), val w = part u r -> (s, w) \notin D.
Proof.
move=> part_inj few.
pose meets (u : d.-tuple 'I_R) (q : query T R d.+1) := [exists r, val q.2 == part u r].
case: (pickP (fun u => ~~ [exists q in D, meets u q])) => [u spared | all_meet].
  exists u => r s w w_eq; apply/negP => q_in; move/negP: spared; apply; apply/existsP.
  by exists (s, w); rewrite q_in /=; apply/existsP; exists r; rewrite w_eq.
have some_query u : exists q, q \in D /\ meets u q.
  by have /negbFE/existsP[q /andP[q_in u_q]] := all_meet u; exists q.
have [query_of queryP] := fin_all_exists some_query.
have query_inj : injective query_of.
  move=> u u' same; have [_ /existsP[r /eqP u_r]] := queryP u.
  by have [_ /existsP[r' /eqP]] := queryP u'; rewrite -same u_r => /part_inj->.
suff : R ^ d <= #|D| by rewrite leqNgt few.
rewrite -[X in X ^ _ <= _]card_ord -card_tuple -cardsT -(card_imset _ query_inj).
by apply/subset_leq_card/subsetP => _ /imsetP[u _ ->]; case: (queryP u).
Qed.

Section SharpenedImperfect.
Variables (T : finType) (R' B_T B_e B_u : nat) (F : format T R'.+2 B_T B_e B_u).
Local Notation R := R'.+2.

(* What one setting serves differs by translations. *)
Lemma served_alike d e (W : weights T R B_T B_e B_u) f g : 2 * e < R ^ d ->
  f \in bijections -> g \in bijections ->
  #|wrong_queries F d.+1 setT W f| <= e -> #|wrong_queries F d.+1 setT W g| <= e ->
  translated f g.
Proof.
move=> few f_bij g_bij W_f W_g.
pose D := wrong_queries F d.+1 setT W f :|: wrong_queries F d.+1 setT W g.
have D_few : #|D| < R ^ d.
  apply: leq_ltn_trans few; rewrite mul2n -addnn (leq_trans _ (leq_add W_f W_g)) //.
  by rewrite cardsU leq_subr.
have alike s (w : d.+1.-tuple 'I_R) : (s, w) \notin D -> follow f s w = follow g s w.
  rewrite !inE /= negb_or !negbK => /andP[f_w g_w]; exact: answer_unique f_w g_w.
have cons_inj (u u' : d.-tuple 'I_R) r r' : r :: u = r' :: u' -> u = u'.
  by case=> _ /val_inj.
have rcons_inj (u u' : d.-tuple 'I_R) r r' : rcons u r = rcons u' r' -> u = u'.
  by case/rcons_inj=> /val_inj.
have [v v_spared] := spared_word (part := fun u r => r :: u) cons_inj D_few.
have [u u_spared] := spared_word (part := fun u r => rcons u r) rcons_inj D_few.
apply: (one_translation (v := v) (u := u)) => // r s.
  by apply: (alike s [tuple of r :: v]); apply: v_spared.
by apply: (alike s [tuple of rcons u r]); apply: u_spared.
Qed.

End SharpenedImperfect.

Theorem imperfect_sharpened_global (T : finType) (R B_T B_e B_u : nat)
    (F : format T R B_T B_e B_u) d e : 1 < R -> 2 * e < R ^ d ->
  fixed_unembedding_but F d.+1 e bijections ->
  #|T|.-1`! ^ 2 * #|T|`! ^ (R - 2) <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof.
case: R F => [|[|R']] // F _ few [U served]; rewrite subSS subSS subn0.
case: (posnP #|T|) => [-> | T_gt0]; first by rewrite fact0 !exp1n expn_gt0.
apply: (sharpened_count T_gt0); apply: leq_trans (many_cyclic_choices R' T_gt0) _.
rewrite -mulnn -[X in _ <= X]mulnA leq_mul2l; apply/orP; right.
rewrite -[X in (X + _) * _](cardsT T).
pose good c W := #|wrong_queries F d.+1 setT W (tuple_of c)| <= e.
apply: (@settings_needed _ _ _ _ _ _ _ setT _ U good) => [c W W' same same_U | c _ | W].
- by rewrite /good (same_wrong_queries F _ _ same same_U).
- exact: served (of_permutations_bij _).
case: (set_0Vmem [set c in cyclic_choices T R' | good c W]) => [-> | [c]].
  by rewrite cards0.
rewrite inE => /andP[c_in W_c]; apply: few_translations T_gt0 c_in _ => c'.
rewrite inE => /andP[_ W_c'].
by apply: served_alike few _ _ W_c' W_c; apply: of_permutations_bij.
Qed.
