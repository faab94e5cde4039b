(* Propositions 3, 4 and 5: the local bounds, by disjoint trees and by shared leaves.

   Docs: docs/theorems/theorem_4_2.md, "Disjoint trees", "Shared leaves", "Functions in place of
   bijections", and the remark on all rows of U. Python: `disjoint_trees_bound`,
   `shared_leaves_bound`; the families are `disjoint_trees_family` and `shared_leaves_family` of
   bounds/counting.py.

   `n ^_ l` is the falling factorial n (n-1) ... (n-l+1). *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 global_bound trees.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* Fillings without repetition of the places P with L values. *)
Definition injections (P : finType) L : finType :=
  [finType of {c : {ffun P -> 'I_L} | injectiveb c}].

Lemma card_injections P L : #|injections P L| = L ^_ #|P|.
Proof.
by rewrite card_sig -[L in RHS]card_ord -card_inj_ffuns; apply: eq_card => c; rewrite inE.
Qed.

Lemma injections_inj (P : finType) L (c : injections P L) : injective (val c).
Proof. by apply/injectiveP; apply: (valP c). Qed.

Section Families.
Variables (T : finType) (R : nat).

Definition family k M (K : {set facts T R}) count : Prop :=
  exists (S : {set T}) (A : {set facts T R}),
    [/\ #|S| = M, A \subset K, #|A| = count & distinguished k S A].

(* The same, for a family that is made of choices. *)
Lemma family_from_roots (X C : finType) k (S : {set T}) (K : {set facts T R})
    (ask : X -> query T R k) (shown : C -> X -> T) :
  (forall x, (ask x).1 \in S) ->
  (forall c, exists2 f, f \in K & forall x, follow f (ask x).1 (ask x).2 = shown c x) ->
  (forall c d, shown c =1 shown d -> c = d) -> family k #|S| K #|C|.
Proof.
move=> from_S members apart; have [A [sub card_A _ A_apart]] := family_of_choices members apart.
exists S, A; split=> // f g f_in g_in same; apply: A_apart => // x; exact: same.
Qed.

Lemma family_bound k M K count B_T B_e B_u (F : format T R B_T B_e B_u) :
  fixed_unembedding F k K -> family k M K count -> count <= 2 ^ (B_T + (M + R) * B_e).
Proof.
move=> [U recalled] [S [A [<- /subsetP sub <- apart]]].
by apply: (lemma_0_fixed _ apart) => //; exists U => f /sub; apply: recalled.
Qed.

(* Any choice of edges out of the frontier, into L = N - M I(d) entities for each relation. *)
Lemma shared_leaves_edges d M : M * tree R d.+1 <= #|T| ->
  exists (node : 'I_M -> seq 'I_R -> T) (slot : 'I_R -> 'I_(#|T| - M * tree R d) -> T),
    [/\ distinct_nodes d node, forall r, injective (slot r) &
      forall c : 'I_R -> 'I_M * d.-tuple 'I_R -> 'I_(#|T| - M * tree R d),
        (forall r, injective (c r)) ->
        exists2 f, f \in bijections & forall r m (u : d.-tuple 'I_R),
          follow f (node m [::]) (rcons u r) = slot r (c r (m, u))].
Proof.
move=> enough; have [node node_inj] := distinct_nodes_exist enough.
have free r : exists h : 'I_(#|T| - M * tree R d) -> T,
    injective h /\ forall i, h i \notin fixed_targets d node r.
  apply: entities_outside; rewrite -[in X in _ <= X](@subnKC (M * tree R d) #|T|).
    by rewrite leq_add2r card_fixed_targets.
  by apply: leq_trans enough; rewrite leq_mul // tree_recr leq_addr.
have [slot slotP] := fin_all_exists free; exists node, slot; split=> // [r | c c_inj].
  by case: (slotP r).
have [||f f_bij f_c] := bijections_along_trees node_inj (c := fun r x => slot r (c r x)).
- by move=> r x y /(proj1 (slotP r))/c_inj.
- by move=> r x; apply: (proj2 (slotP r)).
by exists f.
Qed.

(* Proposition 4. k = d + 1. *)
Theorem proposition_4 d M : M * tree R d.+1 <= #|T| ->
  family d.+1 M bijections (((#|T| - M * tree R d) ^_ (M * R ^ d)) ^ R).
Proof.
move=> /shared_leaves_edges[node [slot [node_inj slot_inj members]]].
pose P := [finType of 'I_M * d.-tuple 'I_R].
pose C := [finType of {ffun 'I_R -> injections P (#|T| - M * tree R d)}].
rewrite -{1}(card_roots node_inj).
pose ask (x : 'I_R * P) : query T R d.+1 := (node x.2.1 [::], [tuple of rcons x.2.2 x.1]).
pose shown (c : C) (x : 'I_R * P) := slot x.1 (val (c x.1) x.2).
have -> : ((#|T| - M * tree R d) ^_ (M * R ^ d)) ^ R = #|C|.
  by rewrite card_ffun card_injections card_prod card_tuple !card_ord.
apply: (@family_from_roots [finType of 'I_R * P] C d.+1 _ _ ask shown) => [x | c | c c' same].
- exact: root_in.
- have [r | f f_bij f_c] := members (fun r => val (c r)); first exact: injections_inj.
  by exists f => // -[r [m u]]; apply: f_c.
- by apply/ffunP => r; apply/val_inj/ffunP => x; apply: (slot_inj r); apply: (same (r, x)).
Qed.

(* Functions: the leaves may be any entities. *)
Theorem proposition_4_functions d M : M * tree R d.+1 <= #|T| ->
  family d.+1 M functions ((#|T| ^ (M * R ^ d)) ^ R).
Proof.
move=> enough; have [node node_inj] := distinct_nodes_exist enough.
pose P := [finType of 'I_M * d.-tuple 'I_R].
pose C := [finType of {ffun 'I_R -> {ffun P -> T}}].
rewrite -{1}(card_roots node_inj).
pose ask (x : 'I_R * P) : query T R d.+1 := (node x.2.1 [::], [tuple of rcons x.2.2 x.1]).
have -> : (#|T| ^ (M * R ^ d)) ^ R = #|C|.
  by rewrite !card_ffun card_prod card_tuple !card_ord.
pose shown (c : C) (x : 'I_R * P) := c x.1 x.2.
apply: (@family_from_roots [finType of 'I_R * P] C d.+1 _ _ ask shown) => [x | c | c c' same].
- exact: root_in.
- have [f f_c] := functions_along_trees node_inj (fun r => c r).
  by exists f; rewrite ?inE // => -[r [m u]]; apply: f_c.
- by apply/ffunP => r; apply/ffunP => x; apply: (same (r, x)).
Qed.

(* Proposition 3. The leaves are different, and none is an inner node. *)
Theorem proposition_3 d M : M * tree R d.+2 <= #|T| ->
  family d.+1 M bijections ((#|T| - M * tree R d.+1) ^_ (M * R ^ d.+1)).
Proof.
move=> enough; have enough' : M * tree R d.+1 <= #|T|.
  by apply: leq_trans enough; rewrite leq_mul // [tree R d.+2]tree_recr leq_addr.
have [node node_inj] := distinct_nodes_exist enough'.
set L := #|T| - _.
pose inner := [set node x.1 (val x.2) | x in [finType of 'I_M * {bseq d of 'I_R}]].
have [|slot [slot_inj slot_out]] := @entities_outside T inner L.
  rewrite -[in X in _ <= X](subnKC enough') leq_add2r (leq_trans (leq_imset_card _ _)) //.
  by rewrite card_prod card_ord card_bseq card_ord.
pose P := [finType of 'I_M * d.+1.-tuple 'I_R].
rewrite -{1}(card_roots node_inj).
have -> : L ^_ (M * R ^ d.+1) = #|injections P L|.
  by rewrite card_injections card_prod card_tuple !card_ord.
(* The last letter of a word comes last: x = (m, u, r) is the leaf (m, u r). *)
pose ask (x : 'I_R * ('I_M * d.-tuple 'I_R)) : query T R d.+1 :=
  (node x.2.1 [::], [tuple of rcons x.2.2 x.1]).
pose leaf (c : injections P L) r (x : 'I_M * d.-tuple 'I_R) :=
  slot (val c (x.1, [tuple of rcons x.2 r])).
pose shown (c : injections P L) (x : 'I_R * ('I_M * d.-tuple 'I_R)) := leaf c x.1 x.2.
apply: (@family_from_roots [finType of 'I_R * ('I_M * d.-tuple 'I_R)] (injections P L) d.+1 _ _
  ask shown) => [x | c | c c' same].
- exact: root_in.
- have [||f f_bij f_c] := bijections_along_trees node_inj (c := leaf c).
  + move=> r [m u] [m' u'] /slot_inj/injections_inj[-> /(rcons_injl r) u_u'].
    by congr (_, _); apply: val_inj.
  + move=> r x; apply/negP; rewrite inE => /existsP[[m w] /= /andP[w_d /eqP same]].
    have w_d' : size (rcons w r) <= d by rewrite size_rcons.
    have /negP := slot_out (val c (x.1, [tuple of rcons x.2 r])); apply.
    by rewrite -/(leaf c r x) same; apply/imsetP; exists (m, Bseq w_d').
  by exists f => // -[r [m u]]; apply: f_c.
- apply/val_inj/ffunP => -[m w]; case/tupleP: w => r w; apply: slot_inj.
  have := same (last r w, (m, [tuple of belast r w])); rewrite /shown /leaf /=.
  set w' := [tuple of rcons _ _]; suff -> : w' = [tuple of r :: w] by [].
  by apply: val_inj; rewrite /= -lastI.
Qed.


(* Proposition 5: shared leaves are at least as good, for the same M. *)
Lemma leq_ffact n n' l : n <= n' -> n ^_ l <= n' ^_ l.
Proof.
move=> le_n; rewrite !ffact_prod; apply: leq_prod => i _; exact: leq_sub2r.
Qed.

Lemma ffact_add n l m : n ^_ (l + m) = n ^_ l * (n - l) ^_ m.
Proof.
elim: m => [|m IHm]; first by rewrite addn0 ffactn0 muln1.
by rewrite addnS !ffactnSr IHm subnDA mulnA.
Qed.

Lemma ffact_split n l c : n ^_ (c * l) <= (n ^_ l) ^ c.
Proof.
elim: c => // c IHc; rewrite mulSn ffact_add expnS leq_mul //.
by apply: leq_trans IHc; rewrite leq_ffact ?leq_subr.
Qed.

Theorem proposition_5 N d M : M * tree R d.+2 <= N ->
  (N - M * tree R d.+1) ^_ (M * R ^ d.+1) <= ((N - M * tree R d) ^_ (M * R ^ d)) ^ R.
Proof.
move=> _; rewrite expnS mulnCA; apply: leq_trans (ffact_split _ _ _) _.
case: (posnP R) => [-> // | R_gt0]; rewrite leq_exp2r //; apply: leq_ffact.
by rewrite leq_sub2l // leq_mul // tree_recr leq_addr.
Qed.

End Families.

Section Bounds.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u).

Theorem disjoint_trees_bound d M : fixed_unembedding F d.+1 bijections ->
  M * tree R d.+2 <= #|T| ->
  (#|T| - M * tree R d.+1) ^_ (M * R ^ d.+1) <= 2 ^ (B_T + (M + R) * B_e).
Proof. by move=> recalled /proposition_3; apply: family_bound recalled. Qed.

Theorem shared_leaves_bound d M : fixed_unembedding F d.+1 bijections ->
  M * tree R d.+1 <= #|T| ->
  ((#|T| - M * tree R d) ^_ (M * R ^ d)) ^ R <= 2 ^ (B_T + (M + R) * B_e).
Proof. by move=> recalled /proposition_4; apply: family_bound recalled. Qed.

Theorem shared_leaves_bound_functions d M : fixed_unembedding F d.+1 functions ->
  M * tree R d.+1 <= #|T| ->
  (#|T| ^ (M * R ^ d)) ^ R <= 2 ^ (B_T + (M + R) * B_e).
Proof. by move=> recalled /proposition_4_functions; apply: family_bound recalled. Qed.

(* As the code has it: the condition of disjoint trees, and N^(M R^k). *)
Theorem disjoint_trees_bound_functions d M : fixed_unembedding F d.+1 functions ->
  M * tree R d.+2 <= #|T| ->
  #|T| ^ (M * R ^ d.+1) <= 2 ^ (B_T + (M + R) * B_e).
Proof.
move=> recalled enough; rewrite expnSr mulnA expnM; apply: shared_leaves_bound_functions => //.
by apply: leq_trans enough; rewrite leq_mul // [tree R d.+2]tree_recr leq_addr.
Qed.

End Bounds.

(* ---- Every unembedding, with all of its rows ---- *)

(* One tuple for each table: all entities are asked about. *)
Theorem tables_family (T : finType) R k (K : {set facts T R}) : family k #|T| K #|tables k K|.
Proof.
have [A [sub card_A inj]] := representatives k K; exists setT, A; split=> //.
  by rewrite cardsT.
move=> f g f_in g_in same; apply: inj => //.
by apply/ffunP => q; rewrite !ffunE; apply: same; rewrite inE.
Qed.

(* The remark of docs on all rows of U: whatever the unembedding, subtract N B_u. *)
Theorem family_bound_all_rows (T : finType) R k M K count B_T B_e B_u
    (F : format T R B_T B_e B_u) : every_unembedding F k K -> family k M K count ->
  count <= 2 ^ (B_T + (M + R) * B_e + #|T| * B_u).
Proof.
move=> recalled [S [A [<- /subsetP sub <- apart]]]; rewrite -(cardsT T).
pose D := [set q : query T R k | q.1 \in S].
apply: (@lemma_0_every _ _ _ _ _ F k S setT A D) => [f /sub | q | f q _ _ | f g f_in g_in same].
- exact: recalled.
- by rewrite inE.
- by rewrite inE.
by apply: apart => // s w s_in; apply: (same (s, w)); rewrite inE.
Qed.
