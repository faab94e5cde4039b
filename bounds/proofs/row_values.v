(* Proposition 7: how many values the row of an entity takes where the embedding alone holds facts.

   Docs: docs/theorems/theorem_4_2.md, "How many coordinates". Python: bounds/dimension.py. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 trees local_bounds.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section Renaming.
Variables (T : finType) (R : nat) (s s0 : T).

(* The same facts with s and s0 exchanged. *)
Definition renamed (f : facts T R) : facts T R :=
  [ffun r => [ffun x => tperm s s0 (f r (tperm s s0 x))]].

Lemma follow_renamed f w : follow (renamed f) s w = tperm s s0 (follow f s0 w).
Proof.
elim/last_ind: w => [|w r IHw]; first by rewrite /= tpermR.
by rewrite !follow_rcons IHw !ffunE tpermK.
Qed.

Lemma renamed_bij f : f \in bijections -> renamed f \in bijections.
Proof.
move=> /bijectionsP f_inj; apply/bijectionsP => r x y; rewrite !ffunE.
by move=> /perm_inj/f_inj/perm_inj.
Qed.

Lemma renamed_inj : injective renamed.
Proof.
move=> f g /ffunP same; apply/ffunP => r; apply/ffunP => x.
have /ffunP/(_ (tperm s s0 x)) := same r.
by rewrite !ffunE tpermK => /perm_inj.
Qed.

End Renaming.

Section RowValues.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u).

(* Internal weights, unembedding and rows of relations are the same for all tuples. *)
Theorem proposition_7 d (s : T) (W : facts T R -> weights T R B_T B_e B_u) theta U
    (of_relation : 'I_R -> bits B_e) :
  tree R d.+1 <= #|T| ->
  (forall f, f \in bijections -> [/\ internal (W f) = theta, unembedding (W f) = U,
    forall r, rows (W f) (inr r) = of_relation r & recalls F d.+1 (W f) f]) ->
  ((#|T| - tree R d) ^_ (R ^ d)) ^ R <= #|[set rows (W f) (inl s) | f in bijections]|.
Proof.
move=> enough recalled; have [|S [A [S_1 /subsetP sub card_A apart]]] := @proposition_4 T R d 1.
  by rewrite mul1n.
rewrite !mul1n in card_A; rewrite -card_A; have /eqP/cards1P[s0 S_eq] := S_1.
rewrite -(card_imset _ (@renamed_inj T R s s0)).
rewrite -(card_in_imset (f := fun f => rows (W f) (inl s))).
  apply/subset_leq_card/subsetP => _ /imsetP[_ /imsetP[f /sub f_bij ->] ->].
  by apply: imset_f; apply: renamed_bij.
move=> _ _ /imsetP[f f_in ->] /imsetP[g g_in ->] same_row; congr renamed.
have [W_f U_f rows_f /forallP/(_ s)/forallP right_f] := recalled _ (renamed_bij s s0 (sub f f_in)).
have [W_g U_g rows_g /forallP/(_ s)/forallP right_g] := recalled _ (renamed_bij s s0 (sub g g_in)).
have same_code : code [set s] (W (renamed s s0 f)) = code [set s] (W (renamed s s0 g)).
  rewrite /code W_f W_g; congr (_, _); apply/ffunP => -[[x x_in] | r]; rewrite !ffunE /=.
    by move: (x_in); rewrite inE => /eqP->.
  by rewrite rows_f rows_g.
apply: apart => // x w; rewrite S_eq inE => /eqP->; apply: (@perm_inj _ (tperm s s0)).
rewrite -!follow_renamed; apply: answer_unique (right_f w) _.
by rewrite (code_answers F w _ (set11 s) same_code) ?U_f.
Qed.

(* A row has B_e bits. *)
Theorem row_bits d (s : T) (W : facts T R -> weights T R B_T B_e B_u) theta U
    (of_relation : 'I_R -> bits B_e) :
  tree R d.+1 <= #|T| ->
  (forall f, f \in bijections -> [/\ internal (W f) = theta, unembedding (W f) = U,
    forall r, rows (W f) (inr r) = of_relation r & recalls F d.+1 (W f) f]) ->
  up_log 2 (((#|T| - tree R d) ^_ (R ^ d)) ^ R) <= B_e.
Proof.
move=> enough recalled; apply: up_log_min => //; rewrite -(card_bits B_e).
by apply: leq_trans (proposition_7 s enough recalled) _; apply: max_card.
Qed.

End RowValues.
