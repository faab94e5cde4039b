(* Proposition 1: how many k-hop tables there are at least; the global bound.

   Docs: docs/theorems/theorem_4_2.md, "Global bound", Proposition 1; "Functions in place of
   bijections". Python: `global_bound`. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section OfPermutations.
Variables (T : finType) (R : nat).

Lemma card_permutations : #|[finType of {perm T}]| = #|T|`!.
Proof.
rewrite -[in RHS]cardsT -card_perm; apply: eq_card => p.
by rewrite !inE; apply/esym/subsetP => x _; rewrite inE.
Qed.

(* The facts that R permutations are. *)
Definition of_permutations (p : {ffun 'I_R -> {perm T}}) : facts T R :=
  [ffun r => [ffun s => p r s]].

Lemma of_permutationsE p r s : of_permutations p r s = p r s.
Proof. by rewrite !ffunE. Qed.

Lemma of_permutations_inj : injective of_permutations.
Proof.
move=> p q /ffunP same; apply/ffunP => r; apply/permP => s.
by have /ffunP/(_ s) := same r; rewrite !ffunE.
Qed.

Lemma of_permutations_bij p : of_permutations p \in bijections.
Proof. by apply/bijectionsP => r s s'; rewrite !of_permutationsE => /perm_inj. Qed.

Lemma bijections_of_permutations f : f \in bijections -> exists p, f = of_permutations p.
Proof.
move/bijectionsP => f_inj; exists [ffun r => perm (f_inj r)].
by apply/ffunP => r; apply/ffunP => s; rewrite of_permutationsE ffunE permE.
Qed.

Lemma card_bijections : #|@bijections T R| = #|T|`! ^ R.
Proof.
have -> : @bijections T R = of_permutations @: setT.
  apply/setP => f; apply/idP/imsetP => [/bijections_of_permutations[p ->]|[p _ ->]].
    by exists p.
  exact: of_permutations_bij.
by rewrite card_imset ?cardsT ?card_ffun ?card_permutations ?card_ord //;
  apply: of_permutations_inj.
Qed.

Lemma card_functions : #|@functions T R| = (#|T| ^ #|T|) ^ R.
Proof. by rewrite cardsT !card_ffun card_ord. Qed.

End OfPermutations.

Section Tables.
Variables (T : finType).

(* For one hop the table is the tuple. *)
Lemma card_tables_one_hop R (A : {set facts T R}) : #|tables 1 A| = #|A|.
Proof.
apply: card_in_imset => f g _ _ /ffunP same; apply/ffunP => r; apply/ffunP => s.
by have := same (s, [tuple r]); rewrite !ffunE.
Qed.

(* Tuples whose first relation is the identity; the others are of a kind X of maps. *)
Definition with_identity R (X : finType) (map_of : X -> {ffun T -> T}) (c : {ffun 'I_R -> X}) :
    facts T R.+1 :=
  [ffun r => if unlift ord0 r is Some r' then map_of (c r') else [ffun s => s]].

Lemma with_identity_tables R (X : finType) (map_of : X -> {ffun T -> T}) k :
  injective map_of -> injective (fun c => table k.+1 (@with_identity R X map_of c)).
Proof.
move=> map_inj c d /ffunP same; apply/ffunP => r; apply: map_inj; apply/ffunP => s.
have identity c' : follow (with_identity map_of c') s (nseq k ord0) = s.
  elim: k {same} => //= k {2}<-; congr (follow _ _ _).
  by rewrite /with_identity ffunE unlift_none ffunE.
have size_w : size (rcons (nseq k ord0) (lift ord0 r)) == k.+1.
  by rewrite size_rcons size_nseq.
have := same (s, Tuple size_w); rewrite !ffunE /= !follow_rcons !identity.
by rewrite /with_identity !ffunE liftK.
Qed.

Lemma many_tables R (X : finType) (map_of : X -> {ffun T -> T}) k (A : {set facts T R.+1}) :
  injective map_of -> (forall c, with_identity map_of c \in A) -> #|X| ^ R <= #|tables k.+1 A|.
Proof.
move=> map_inj in_A.
have -> : #|X| ^ R = #|[set table k.+1 (@with_identity R X map_of c) | c in setT]|.
  by rewrite card_imset ?cardsT ?card_ffun ?card_ord //; apply: with_identity_tables.
by apply/subset_leq_card/subsetP => _ /imsetP[c _ ->]; apply: imset_f.
Qed.

Lemma tables_nonempty R k (A : {set facts T R}) f : f \in A -> 0 < #|tables k A|.
Proof. by move=> f_in; apply/card_gt0P; exists (table k f); apply: imset_f. Qed.

(* Proposition 1. *)
Theorem proposition_1 R k : #|T|`! ^ R.-1 <= #|tables k.+1 (@bijections T R)|.
Proof.
case: R => [|R] /=.
  have one_bij : of_permutations [ffun _ => 1%g] \in @bijections T 0 by apply: of_permutations_bij.
  exact: (tables_nonempty _ one_bij).
pose map_of (p : {perm T}) := [ffun s => p s].
have map_inj : injective map_of.
  by move=> p q /ffunP same; apply/permP => s; have := same s; rewrite !ffunE.
rewrite -card_permutations; apply: (many_tables _ map_inj) => c.
apply/bijectionsP => r s s'; rewrite /with_identity ffunE.
by case: unliftP => [r' _|_]; rewrite !ffunE // => /perm_inj.
Qed.

Theorem proposition_1_one_hop R : #|tables 1 (@bijections T R)| = #|T|`! ^ R.
Proof. by rewrite card_tables_one_hop card_bijections. Qed.

Theorem proposition_1_functions R k :
  (#|T| ^ #|T|) ^ R.-1 <= #|tables k.+1 (@functions T R)|.
Proof.
case: R => [|R] /=; first by apply: (tables_nonempty _ (in_setT [ffun _ => [ffun s => s]])).
by rewrite -card_ffun; apply: (@many_tables _ _ id) => // c; rewrite inE.
Qed.

Theorem proposition_1_functions_one_hop R :
  #|tables 1 (@functions T R)| = (#|T| ^ #|T|) ^ R.
Proof. by rewrite card_tables_one_hop card_functions. Qed.

End Tables.

Section GlobalBound.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u).

(* One tuple for each table. *)
Lemma representatives k (A : {set facts T R}) : exists A' : {set facts T R},
  [/\ A' \subset A, #|A'| = #|tables k A| & {in A' &, injective (table k)}].
Proof.
pose of_table (t : {t | t \in tables k A}) f := f \in A /\ table k f = val t.
have some_tuple t : exists f, of_table t f.
  by case: t => t t_in; have /imsetP[f f_in t_f] := t_in; exists f; split.
have [chosen chosenP] := fin_all_exists some_tuple.
exists (chosen @: setT); split.
- by apply/subsetP => _ /imsetP[t _ ->]; case: (chosenP t).
- rewrite card_imset ?cardsT ?card_sig // => t t' same; apply: val_inj.
  by case: (chosenP t) => _ <-; case: (chosenP t') => _ <-; rewrite same.
- move=> _ _ /imsetP[t _ ->] /imsetP[t' _ ->]; case: (chosenP t) => _ ->.
  by case: (chosenP t') => _ -> /val_inj->.
Qed.

(* As many settings as tables. *)
Theorem tables_bound k (A : {set facts T R}) : fixed_unembedding F k A ->
  #|tables k A| <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof.
move=> [U recalled]; have [A' [/subsetP sub <- inj]] := representatives k A.
rewrite -(cardsT T); apply: (@lemma_0_fixed _ _ _ _ _ F k setT).
  by exists U => f /sub; apply: recalled.
move=> f g f_in g_in same; apply: inj => //.
by apply/ffunP => q; rewrite !ffunE; apply: same; rewrite inE.
Qed.

(* The global bound. *)
Theorem global_bound k : fixed_unembedding F k.+1 bijections ->
  #|T|`! ^ R.-1 <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof. by move/tables_bound; apply: leq_trans; apply: proposition_1. Qed.

Theorem global_bound_one_hop : fixed_unembedding F 1 bijections ->
  #|T|`! ^ R <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof. by move/tables_bound; rewrite proposition_1_one_hop. Qed.

Theorem global_bound_functions k : fixed_unembedding F k.+1 functions ->
  (#|T| ^ #|T|) ^ R.-1 <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof. by move/tables_bound; apply: leq_trans; apply: proposition_1_functions. Qed.

Theorem global_bound_functions_one_hop : fixed_unembedding F 1 functions ->
  (#|T| ^ #|T|) ^ R <= 2 ^ (B_T + (#|T| + R) * B_e).
Proof. by move/tables_bound; rewrite proposition_1_functions_one_hop. Qed.

End GlobalBound.
