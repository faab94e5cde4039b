(* Models that answer most queries rightly: Propositions 1, 2 and 4 of imperfect recall.

   Docs: docs/imperfect-recall.md, "One hop", "Global", "Local, a share from each subject". Python:
   bounds/imperfect.py. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 global_bound trees local_bounds refillings.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section ImperfectRecall.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u).
Local Notation N := #|T|.
Implicit Types (W : weights T R B_T B_e B_u) (f : facts T R).

(* The queries from S that W answers wrong, or not at all. *)
Definition wrong_queries k (S : {set T}) W f : {set query T R k} :=
  [set q : query T R k | (q.1 \in S) && ~~ answers F W q.1 q.2 (follow f q.1 q.2)].

(* "Every case": for every tuple of K at most e of all queries are answered wrong. *)
Definition fixed_unembedding_but k e (K : {set facts T R}) : Prop :=
  exists U, forall f, f \in K ->
    exists W, unembedding W = U /\ #|wrong_queries k setT W f| <= e.

(* "Each subject, every case": at most t of the queries from each subject. *)
Definition fixed_unembedding_but_each k t (K : {set facts T R}) : Prop :=
  exists U, forall f, f \in K ->
    exists W, unembedding W = U /\ forall s, #|wrong_queries k [set s] W f| <= t.

Lemma same_wrong_queries k S W W' f : code S W = code S W' -> unembedding W = unembedding W' ->
  wrong_queries k S W f = wrong_queries k S W' f.
Proof.
move=> same same_U; apply/setP => -[s w]; rewrite !inE /=; case: (boolP (s \in S)) => //= s_in.
by rewrite (code_answers F w _ s_in same same_U).
Qed.

Lemma picked_answer W s w a : answers F W s w a -> [pick b | answers F W s w b] = Some a.
Proof.
move=> W_a; case: pickP => [b W_b | /(_ a)]; last by rewrite W_a.
by congr Some; apply: answer_unique W_b W_a.
Qed.

(* ---- All queries (s, u r), for one word u ---- *)

Section Behind.
Variables (d : nat) (W : weights T R B_T B_e B_u) (u : d.-tuple 'I_R).

(* The rows of the f_r f_u. *)
Definition behind f : filling T T R := [ffun r => [ffun s => follow f s (rcons u r)]].

Definition wrong_behind f : {set 'I_R * T} :=
  [set x | ~~ answers F W x.2 (rcons u x.1) (follow f x.2 (rcons u x.1))].

Lemma served_behind q :
  #|[set f in bijections | #|wrong_behind f| <= q]| <= N`! * most_served N 0 R q.
Proof.
pose A r s := [pick a | answers F W s (rcons u r) a].
pose through f : {ffun T -> T} := [ffun s => follow f s u].
have card_T : N = N + 0 by rewrite addn0.
pose injective_maps := [set g : {ffun T -> T} | injectiveb g].
have -> : N`! = #|injective_maps| by rewrite card_inj_ffuns ffactnn.
apply: leq_trans _ (leq_mul (leqnn _) (refillings_served card_T A q)).
rewrite -cardsX -(card_in_imset (f := fun f => (through f, behind f))).
  apply/subset_leq_card/subsetP => _ /imsetP[f + ->]; rewrite inE => /andP[f_bij few].
  rewrite !inE /=; apply/and3P; split.
  - by apply/injectiveP => s s'; rewrite !ffunE => /(follow_inj f_bij).
  - apply/forallP => r; apply/injectiveP => s s'; rewrite !ffunE.
    exact: follow_inj.
  apply: leq_trans few; apply/subset_leq_card/subsetP => -[r s]; rewrite !inE /=.
  by apply: contra => /picked_answer A_rs; rewrite /A A_rs !ffunE.
move=> f g; rewrite inE => /andP[f_bij _]; rewrite inE => /andP[g_bij _].
move=> [/ffunP same_u /ffunP same].
apply/ffunP => r; apply/ffunP => s; have := same r => /ffunP.
have [f_u _ f_uK] : bijective (through f).
  by apply: injF_bij => s1 s2; rewrite !ffunE => /(follow_inj f_bij).
move=> /(_ (f_u s)); rewrite !ffunE !follow_rcons.
have := same_u (f_u s); have := f_uK s; rewrite !ffunE => -> <-; exact.
Qed.

End Behind.

(* Proposition 1: one hop. *)
Theorem imperfect_one_hop e : fixed_unembedding_but 1 e bijections ->
  N`! ^ R <= most_served N 0 R e * 2 ^ (B_T + (N + R) * B_e).
Proof.
move=> [U served]; rewrite -card_bijections -[X in (X + _) * _](cardsT T).
pose good f W := #|wrong_queries 1 setT W f| <= e.
apply: (@settings_needed _ _ _ _ _ _ _ setT _ U good) => // [f W W' same same_U | W].
  by rewrite /good (same_wrong_queries _ _ same same_U).
have card_T : N = N + 0 by rewrite addn0.
pose A r s := [pick a | answers F W s [:: r] a].
apply: leq_trans _ (refillings_served card_T A e); apply/subset_leq_card/subsetP => f.
rewrite inE => /andP[f_bij few]; rewrite !inE in f_bij *; rewrite f_bij /=.
apply: leq_trans few; pose ask (x : 'I_R * T) : query T R 1 := (x.2, [tuple x.1]).
rewrite -(card_imset (f := ask)); last by move=> [r s] [r' s'] [-> ->].
apply/subset_leq_card/subsetP => _ /imsetP[[r s] + ->]; rewrite !inE /=.
by apply: contra => /picked_answer; rewrite /A => ->.
Qed.

(* Proposition 2: k = d + 1 >= 1, any number c of words of length d. *)
Theorem imperfect_global d e c : 0 < R -> 0 < c <= R ^ d ->
  fixed_unembedding_but d.+1 e bijections ->
  N`! ^ R.-1 <= c * most_served N 0 R (e %/ c) * 2 ^ (B_T + (N + R) * B_e).
Proof.
move=> R_gt0 /andP[c_gt0 c_le] [U served].
have [||words [_ words_c]] := @larger_set [finType of d.-tuple 'I_R] set0 c.
- by rewrite cards0.
- by rewrite card_tuple card_ord.
rewrite -(leq_pmul2l (fact_gt0 N)) -expnS prednK // mulnA mulnCA -card_bijections.
rewrite -[X in (X + _) * _](cardsT T).
pose good f W := #|wrong_queries d.+1 setT W f| <= e.
apply: (@settings_needed _ _ _ _ _ _ _ setT _ U good) => // [f W W' same same_U | W].
  by rewrite /good (same_wrong_queries _ _ same same_U).
have card_words : #|[finType of {u | u \in words}]| = c by rewrite card_sig.
rewrite mulnC -[X in _ * X]card_words.
pose behind_u (u : {u | u \in words}) f := #|wrong_behind W (val u) f| <= e %/ c.
apply: (codes_needed (serves := behind_u)) => [f | u]; last first.
  apply: leq_trans _ (served_behind W (val u) (e %/ c)); apply/subset_leq_card/subsetP => f.
  by rewrite inE => /andP[+ few]; rewrite inE => /andP[f_bij _]; rewrite inE f_bij.
rewrite inE => /andP[_ few]; apply/existsP; apply: contraLR few => /existsPn all_many.
rewrite -ltnNge; apply: (@leq_trans (\sum_(u : {u | u \in words}) #|wrong_behind W (val u) f|)).
  apply: (@leq_trans ((e %/ c).+1 * c)); first exact: ltn_ceil.
  rewrite mulnC -[X in X * _]card_words -sum_nat_const; apply: leq_sum => u _.
  by rewrite ltnNge; apply: all_many.
under eq_bigr => u _ do rewrite -sum1_card.
rewrite pair_big_dep sum1dep_card.
pose ask (x : {u | u \in words} * ('I_R * T)) : query T R d.+1 :=
  (x.2.2, [tuple of rcons (val x.1) x.2.1]).
rewrite -(card_imset (f := ask)).
  apply/subset_leq_card/subsetP => _ /imsetP[[u [r s]] + ->].
  by rewrite !inE /=.
by move=> [u [r s]] [u' [r' s']] [-> /rcons_inj[/val_inj/val_inj-> ->]].
Qed.

(* Proposition 4: a share from each subject, k = d + 1. *)
Theorem imperfect_shared_leaves d M t : fixed_unembedding_but_each d.+1 t bijections ->
  M * tree R d.+1 <= N ->
  ((N - M * tree R d) ^_ (M * R ^ d)) ^ R <=
    most_served (M * R ^ d) (N - M * tree R d.+1) R (M * t) * 2 ^ (B_T + (M + R) * B_e).
Proof.
move=> [U served] enough.
have [node [slot [node_inj slot_inj members]]] := shared_leaves_edges enough.
pose P := [finType of 'I_M * d.-tuple 'I_R]; pose V := [finType of 'I_(N - M * tree R d)].
have card_P : #|P| = M * R ^ d by rewrite card_prod card_tuple !card_ord.
have card_V : #|V| = #|P| + (N - M * tree R d.+1).
  rewrite card_ord card_P tree_recr mulnDr subnDA subnKC // -(leq_add2l (M * tree R d)).
  by rewrite -mulnDr -tree_recr subnKC // (leq_trans _ enough) // leq_mul // tree_recr leq_addr.
pose ask (x : 'I_R * P) : query T R d.+1 := (node x.2.1 [::], [tuple of rcons x.2.2 x.1]).
have ask_inj : injective ask.
  by move=> [r [m u]] [r' [m' u']] [/node_inj[] // -> _ /rcons_inj[/val_inj-> ->]].
pose shown (c : filling P V R) (x : 'I_R * P) := slot x.1 (c x.1 x.2).
pose wrong W c := [set x | ~~ answers F W (ask x).1 (ask x).2 (shown c x)].
pose good (c : filling P V R) W := #|wrong W c| <= M * t.
have <- : #|fillings P V R| = ((N - M * tree R d) ^_ (M * R ^ d)) ^ R.
  by rewrite (card_fillings _ card_V) -card_V card_P card_ord.
rewrite -card_P -[in (M + R) * _](card_roots node_inj).
apply: (@settings_needed _ _ _ _ _ _ _ (roots node) _ U good) => [c W W' same same_U | c | W].
- rewrite /good (_ : wrong W' c = wrong W c) //; apply/setP => x; rewrite !inE.
  by rewrite (code_answers F _ _ (root_in node x.2.1) same same_U).
- rewrite inE => /forallP c_inj.
  have [r | f f_bij f_c] := members (fun r => c r); first exact/injectiveP.
  have [W [W_U few]] := served f f_bij; exists W; split=> //; rewrite /good.
  apply: (@leq_trans (\sum_(s in roots node) #|wrong_queries d.+1 [set s] W f|)); last first.
    by rewrite -{2}(card_roots node_inj) -sum_nat_const; apply: leq_sum => s _; apply: few.
  apply: (@leq_trans #|wrong_queries d.+1 (roots node) W f|).
    rewrite -(card_imset (f := ask)) //.
    apply/subset_leq_card/subsetP => _ /imsetP[[r [m u]] + ->].
    by rewrite !inE /shown /= root_in -f_c.
  rewrite -sum1_card (partition_big fst (mem (roots node))) /=; last first.
    by move=> q; rewrite inE => /andP[].
  apply: leq_sum => s _; rewrite sum1dep_card; apply/subset_leq_card/subsetP => q.
  by rewrite !inE => /andP[/andP[_ ->] ->].
pose A r x := [pick i | answers F W (ask (r, x)).1 (ask (r, x)).2 (slot r i)].
apply: leq_trans _ (refillings_served card_V A (M * t)); apply/subset_leq_card/subsetP => c.
rewrite inE => /andP[c_in few]; rewrite inE c_in; apply: leq_trans few.
apply/subset_leq_card/subsetP => -[r x]; rewrite !inE /=; apply: contra => W_c.
rewrite /A; case: pickP => [i W_i | /(_ (c r x))]; last by rewrite W_c.
by apply/eqP; congr Some; apply: (slot_inj r); apply: answer_unique W_i W_c.
Qed.

End ImperfectRecall.
