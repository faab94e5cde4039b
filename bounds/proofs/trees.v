(* Trees of distinct nodes, whose edges are fixed, and what may be chosen freely behind them.

   Docs: docs/theorems/theorem_4_2.md, "Disjoint trees" and "Shared leaves": "Each f_r is a partial
   injection; extend it". Python: bounds/counting.py, `_forward_trees`, `_completed`. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 global_bound.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section Extension.
Variables (X T : finType).

Lemma injection_exists : #|X| <= #|T| -> exists h : X -> T, injective h.
Proof.
move=> le_XT; exists (fun x => enum_val (widen_ord le_XT (enum_rank x))) => x y.
by move=> /enum_val_inj/(congr1 val) /= /ord_inj; apply: enum_rank_inj.
Qed.

(* A list of all of T that begins with the values of h. *)
Definition values_first (h : X -> T) := codom h ++ enum (predC (mem (codom h))).

Lemma values_first_uniq h : injective h -> uniq (values_first h).
Proof.
move=> h_inj; rewrite cat_uniq enum_uniq andbT map_inj_uniq ?enum_uniq //=.
by apply/hasPn => t; rewrite mem_enum.
Qed.

Lemma values_first_all h t : t \in values_first h.
Proof. by rewrite mem_cat mem_enum inE orbN. Qed.

Lemma size_values_first h : injective h -> size (values_first h) = #|T|.
Proof.
move=> h_inj; rewrite -(card_uniqP (values_first_uniq h_inj)).
by apply: eq_card => t; rewrite values_first_all.
Qed.

(* A partial injection extends to a bijection: i x -> g x for all x. *)
Lemma extends_to_bijection (i g : X -> T) : injective i -> injective g ->
  exists p : {perm T}, forall x, p (i x) = g x.
Proof.
move=> i_inj g_inj; pose to t := nth t (values_first g) (index t (values_first i)).
have index_lt t : index t (values_first i) < size (values_first g).
  by rewrite size_values_first // -(size_values_first i_inj) index_mem values_first_all.
have to_inj : injective to.
  move=> t t'; rewrite /to (set_nth_default t (s := values_first g) t') ?index_lt // => /eqP.
  rewrite nth_uniq ?index_lt ?values_first_uniq // => /eqP same.
  by rewrite -(nth_index t (values_first_all i t)) same nth_index ?values_first_all.
exists (perm to_inj) => x; rewrite permE /to index_cat codom_f index_map // nth_cat.
rewrite size_codom cardE index_mem mem_enum (nth_map x) ?index_mem ?mem_enum //.
by rewrite nth_index ?mem_enum.
Qed.

(* A partial function extends to a function. *)
Lemma extends_to_function (i g : X -> T) : injective i ->
  exists f : {ffun T -> T}, forall x, f (i x) = g x.
Proof.
move=> i_inj; exists [ffun t => if [pick x | i x == t] is Some x then g x else t] => x.
by rewrite ffunE; case: pickP => [y /eqP/i_inj-> | /(_ x)]; rewrite ?eqxx.
Qed.

End Extension.

(* x entities outside A, numbered. *)
Lemma entities_outside (T : finType) (A : {set T}) x : #|A| + x <= #|T| ->
  exists h : 'I_x -> T, injective h /\ forall i, h i \notin A.
Proof.
move=> enough.
have [|h h_inj] := @injection_exists [finType of 'I_x] [finType of {t | t \in ~: A}].
  by rewrite card_ord card_sig -(leq_add2l #|A|) (leq_trans enough) // cardsC.
exists (fun i => val (h i)); split=> [i j /val_inj/h_inj // | i].
by have := valP (h i); rewrite inE.
Qed.

(* A family of facts, one member for each choice c, which the queries `ask` show. *)
Lemma family_of_choices (T X C : finType) R k (K : {set facts T R})
    (ask : X -> query T R k) (shown : C -> X -> T) :
  (forall c, exists2 f, f \in K & forall x, follow f (ask x).1 (ask x).2 = shown c x) ->
  (forall c d, shown c =1 shown d -> c = d) ->
  exists A : {set facts T R}, [/\ A \subset K, #|A| = #|C|,
    forall f, f \in A -> exists c, forall x, follow f (ask x).1 (ask x).2 = shown c x &
    {in A &, forall f g, (forall x, follow f (ask x).1 (ask x).2 = follow g (ask x).1 (ask x).2) ->
      f = g}].
Proof.
move=> members apart.
have members' c : exists f, f \in K /\ forall x, follow f (ask x).1 (ask x).2 = shown c x.
  by have [f] := members c; exists f.
have [member memberP] := fin_all_exists members'.
have same_choice c d : (forall x, follow (member c) (ask x).1 (ask x).2 =
    follow (member d) (ask x).1 (ask x).2) -> c = d.
  by move=> same; apply: apart => x; case: (memberP c) (memberP d) => _ <- [_ <-].
exists (member @: setT); split.
- by apply/subsetP => _ /imsetP[c _ ->]; case: (memberP c).
- by rewrite card_imset ?cardsT // => c d same; apply: same_choice => x; rewrite same.
- by move=> _ /imsetP[c _ ->]; exists c; case: (memberP c).
- by move=> _ _ /imsetP[c _ ->] /imsetP[d _ ->] /same_choice->.
Qed.

Section ForwardTrees.
Variables (T : finType) (R M d : nat).

(* The nodes (m, w), |w| <= d, are different entities. *)
Definition distinct_nodes (node : 'I_M -> seq 'I_R -> T) : Prop :=
  forall m m' w w', size w <= d -> size w' <= d -> node m w = node m' w' -> m = m' /\ w = w'.

Lemma distinct_nodes_exist : M * tree R d.+1 <= #|T| -> exists node, distinct_nodes node.
Proof.
move=> enough; have [|h h_inj] := @injection_exists [finType of 'I_M * {bseq d of 'I_R}] T.
  by rewrite card_prod card_ord card_bseq card_ord.
exists (fun m w => h (m, insubd [bseq] w)) => m m' w w' w_d w'_d /h_inj[-> /(congr1 val)].
by rewrite !val_insubd w_d w'_d.
Qed.

Variable node : 'I_M -> seq 'I_R -> T.
Hypothesis node_inj : distinct_nodes node.

Definition roots : {set T} := [set node m [::] | m in 'I_M].

Lemma card_roots : #|roots| = M.
Proof. by rewrite card_imset ?card_ord // => m m' /node_inj[]. Qed.

Lemma root_in m : node m [::] \in roots.
Proof. exact: imset_f. Qed.

(* The edge r out of (m, w): fixed for |w| < d; c chooses those out of the frontier, |w| = d. *)
Definition edge (c : 'I_R -> 'I_M * d.-tuple 'I_R -> T) r (x : 'I_M * {bseq d of 'I_R}) : T :=
  if size x.2 < d then node x.1 (rcons x.2 r)
  else c r (x.1, insubd [tuple of nseq d r] (val x.2)).

Lemma edges_are_followed (f : facts T R) c :
  (forall r x, f r (node x.1 (val x.2)) = edge c r x) ->
  forall r m (u : d.-tuple 'I_R), follow f (node m [::]) (rcons u r) = c r (m, u).
Proof.
move=> f_edges r m u.
have f_edge w r' (w_d : size w <= d) := f_edges r' (m, Bseq w_d).
have inside w : size w <= d -> follow f (node m [::]) w = node m w.
  elim/last_ind: w => // w r' IHw; rewrite size_rcons follow_rcons => w_d.
  by rewrite IHw 1?ltnW // (f_edge _ _ (ltnW w_d)) /edge /= w_d.
have u_d : size u <= d by rewrite size_tuple.
rewrite follow_rcons inside // (f_edge _ _ u_d) /edge /= size_tuple ltnn.
by rewrite valKd.
Qed.

(* The entities to which no fixed r-edge leads are N - M I(d) at least. *)
Definition fixed_targets (r : 'I_R) : {set T} :=
  [set t | [exists x : 'I_M * {bseq d of 'I_R}, (size x.2 < d) && (t == node x.1 (rcons x.2 r))]].

Lemma card_fixed_targets r : #|fixed_targets r| <= M * tree R d.
Proof.
rewrite /fixed_targets; case d_eq: d => [|d'].
  by rewrite eq_card0 // => t; rewrite inE; apply/existsP => -[].
have -> : M * tree R d'.+1 = #|[finType of 'I_M * {bseq d' of 'I_R}]|.
  by rewrite card_prod card_ord card_bseq card_ord.
pose target (x : 'I_M * {bseq d' of 'I_R}) := node x.1 (rcons x.2 r).
apply: leq_trans (leq_imset_card target _); apply/subset_leq_card/subsetP => t.
rewrite inE => /existsP[[m w] /= /andP[w_d /eqP->]]; rewrite ltnS in w_d.
by apply/imsetP; exists (m, Bseq w_d).
Qed.

(* For any injective choice that leaves out the targets of fixed edges there are bijections; for
   any choice at all there are functions. *)
Theorem bijections_along_trees (c : 'I_R -> 'I_M * d.-tuple 'I_R -> T) :
  (forall r, injective (c r)) -> (forall r x, c r x \notin fixed_targets r) ->
  exists2 f, f \in bijections &
    forall r m (u : d.-tuple 'I_R), follow f (node m [::]) (rcons u r) = c r (m, u).
Proof.
move=> c_inj outside.
have i_inj : injective (fun x : 'I_M * {bseq d of 'I_R} => node x.1 (val x.2)).
  by move=> [m w] [m' w'] /node_inj[]; rewrite ?size_bseq //= => -> /val_inj->.
have edge_inj r : injective (edge c r).
  have apart (m : 'I_M) (w : {bseq d of 'I_R}) x :
      size w < d -> node m (rcons w r) = c r x -> False.
    move=> w_d same; have := outside r x; rewrite inE => /existsP; apply.
    by exists (m, w); rewrite w_d same eqxx.
  move=> [m w] [m' w']; rewrite /edge /=; case: ifP => w_d; case: ifP => w'_d.
  - case/node_inj; rewrite ?size_rcons // => -> /(rcons_injl r) w_w'.
    by congr (_, _); apply: val_inj.
  - by move/apart => /(_ w_d).
  - by move/esym/apart => /(_ w'_d).
  have full (v : {bseq d of 'I_R}) : (size v < d) = false -> size v == d.
    by move=> v_d; rewrite eqn_leq size_bseq leqNgt v_d.
  move/c_inj=> [-> /(congr1 val)].
  by rewrite !val_insubd !full // => /val_inj->.
have [p pP] := fin_all_exists (fun r => extends_to_bijection i_inj (edge_inj r)).
exists (of_permutations (finfun p)); first exact: of_permutations_bij.
by apply: edges_are_followed => r x; rewrite of_permutationsE ffunE pP.
Qed.

Theorem functions_along_trees (c : 'I_R -> 'I_M * d.-tuple 'I_R -> T) :
  exists f : facts T R,
    forall r m (u : d.-tuple 'I_R), follow f (node m [::]) (rcons u r) = c r (m, u).
Proof.
have i_inj : injective (fun x : 'I_M * {bseq d of 'I_R} => node x.1 (val x.2)).
  by move=> [m w] [m' w'] /node_inj[]; rewrite ?size_bseq //= => -> /val_inj->.
have [f fP] := fin_all_exists (fun r => extends_to_function (edge c r) i_inj).
by exists (finfun f); apply: edges_are_followed => r x; rewrite ffunE fP.
Qed.

End ForwardTrees.
