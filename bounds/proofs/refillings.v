(* What one map of answers can serve that is wrong here and there: Lemma 1 of imperfect recall.

   Docs: docs/imperfect-recall.md, "What one answer map serves", Lemma 1. Python:
   bounds/refillings.py, `log2_served`.

   R rows have the places P and are filled, each without repetition, with values V, as many as P
   and F more. A map A of answers has at each place a value, or none. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* The ways to choose x of L places of a row and to fill them anew. *)
Definition one_row (L F x : nat) : nat := 'C(L, x) * (F + x) ^_ x.

(* Q(L, F, R, e), the sum over e = e_0 + ... + e_{R-1}. *)
Definition refillings (L F R e : nat) : nat :=
  \sum_(x : {ffun 'I_R -> 'I_L.+1} | \sum_r x r == e) \prod_r one_row L F (x r).

(* S(L, F, R, e): all fillings, or Q where that is less. *)
Definition most_served (L F R e : nat) : nat :=
  if e <= R * L then minn (refillings L F R e) (((L + F) ^_ L) ^ R) else ((L + F) ^_ L) ^ R.

Section Refillings.
Variables (P V : finType) (R F : nat).
Hypothesis card_V : #|V| = #|P| + F.

Definition filling : Type := {ffun 'I_R -> {ffun P -> V}}.
Definition fillings : {set filling} := [set c : filling | [forall r, injectiveb (c r)]].

Variable A : 'I_R -> P -> option V.

Definition wrong_places (c : filling) : {set 'I_R * P} :=
  [set x : 'I_R * P | A x.1 x.2 != Some (c x.1 x.2)].

Definition served (e : nat) : {set filling} :=
  [set c : filling in fillings | #|wrong_places c| <= e].

(* The fillings that are right outside of X. *)
Definition row_of (X : {set 'I_R * P}) : {ffun 'I_R -> {set P}} :=
  [ffun r => [set p | (r, p) \in X]].

Definition right_outside_row (r : 'I_R) (X : {set P}) : {set {ffun P -> V}} :=
  [set g : {ffun P -> V} | injectiveb g & [forall p, (p \notin X) ==> (A r p == Some (g p))]].

Lemma larger_set (T : finType) (D : {set T}) e : #|D| <= e -> e <= #|T| ->
  exists X : {set T}, D \subset X /\ #|X| = e.
Proof.
move=> D_e e_T; pose more := [set x in take (e - #|D|) (enum (~: D))].
exists (D :|: more); split; first exact: subsetUl.
have more_out x : x \in more -> x \notin D.
  by rewrite inE => /mem_take; rewrite mem_enum inE.
rewrite cardsU (_ : D :&: more = set0) ?cards0 ?subn0; last first.
  by apply/setP => x; rewrite in_set0 in_setI; apply/negP => /andP[x_D /more_out]; rewrite x_D.
rewrite cardsE (card_uniqP _) ?take_uniq ?enum_uniq // size_takel ?subnKC //.
by rewrite -cardE -(leq_add2l #|D|) subnKC // cardsC.
Qed.

Lemma card_right_outside_row r X : #|right_outside_row r X| <= (F + #|X|) ^_ #|X|.
Proof.
case: (set_0Vmem (right_outside_row r X)) => [-> | [g0]]; first by rewrite cards0.
rewrite inE => /andP[/injectiveP g0_inj /forallP g0_right].
pose free : pred V := [pred v | v \notin g0 @: (~: X)].
pose inside (g : {ffun P -> V}) : {ffun {p | p \in X} -> V} := [ffun x => g (val x)].
pose refilled := [set h : {ffun {p | p \in X} -> V} in ffun_on free | injectiveb h].
have <- : #|refilled| = (F + #|X|) ^_ #|X|.
  rewrite card_inj_ffuns_on card_sig; congr (_ ^_ _).
  have := cardC (mem (g0 @: (~: X))); rewrite card_imset // card_V -(cardsC X).
  by rewrite [#|X| + _]addnC -addnA => /addnI; rewrite addnC => <-; apply: eq_card.
have same_outside g : g \in right_outside_row r X -> forall p, p \notin X -> g p = g0 p.
  rewrite inE => /andP[_ /forallP g_right] p p_X.
  have /eqP g_p := implyP (g_right p) p_X; have /eqP := implyP (g0_right p) p_X.
  by rewrite g_p => -[].
rewrite -(card_in_imset (f := inside)); last first.
  move=> g h g_in h_in /ffunP same; apply/ffunP => p; case: (boolP (p \in X)) => p_X.
    by have := same (exist _ p p_X); rewrite !ffunE.
  by rewrite !same_outside.
apply/subset_leq_card/subsetP => _ /imsetP[g g_in ->]; have := g_in.
rewrite inE => /andP[/injectiveP g_inj _]; rewrite inE; apply/andP; split.
  apply/ffun_onP => x; rewrite ffunE inE; apply/imsetP => -[p]; rewrite inE => p_X.
  rewrite -(same_outside _ g_in p p_X) => /g_inj x_p.
  by move: p_X; rewrite -x_p (valP x).
by apply/injectiveP => x y; rewrite !ffunE => /g_inj/val_inj.
Qed.

Lemma card_family_prod (I U : finType) (G : I -> {set U}) :
  #|[set h : {ffun I -> U} | [forall i, h i \in G i]]| = \prod_i #|G i|.
Proof.
transitivity #|(family G : pred {ffun I -> U})|.
  by apply: eq_card => h; rewrite inE; apply/forallP/familyP.
by rewrite card_family foldrE big_image.
Qed.

Lemma card_rows (X : {set 'I_R * P}) : \sum_r #|row_of X r| = #|X|.
Proof.
under eq_bigr => r _ do rewrite -sum1_card.
rewrite pair_big_dep -sum1_card /=; apply: eq_bigl => -[r p].
by rewrite /= ffunE inE.
Qed.

(* Choose e places that contain all wrong ones. *)
Lemma served_by_places e : e <= R * #|P| ->
  #|served e| <=
    \sum_(X : {set 'I_R * P} | #|X| == e) \prod_r (F + #|row_of X r|) ^_ #|row_of X r|.
Proof.
move=> e_le.
pose agree (X : {set 'I_R * P}) : {set filling} :=
  [set c : filling | [forall r, c r \in right_outside_row r (row_of X r)]].
apply: (@leq_trans (\sum_(X : {set 'I_R * P} | #|X| == e) #|agree X|)); last first.
  apply: leq_sum => X _; rewrite card_family_prod; apply: leq_prod => r _.
  exact: card_right_outside_row.
under eq_bigr => X _ do rewrite -sum1dep_card.
rewrite (exchange_big_dep predT) //= -sum1_card big_mkcond /=; apply: leq_sum => c _.
case: ifP => //; rewrite !inE => /andP[/forallP c_inj few].
have [|X [sub X_e]] := larger_set few; first by rewrite card_prod card_ord.
rewrite (bigD1 X) //= X_e eqxx /=; apply/forallP => r; rewrite inE c_inj /=.
apply/forallP => p; apply/implyP; rewrite ffunE inE; apply: contraR => wrong.
by apply: (subsetP sub); rewrite inE.
Qed.

(* As many wrong places in each row as x says: the places, and what they are filled with. *)
Lemma places_by_rows e :
  \sum_(X : {set 'I_R * P} | #|X| == e) \prod_r (F + #|row_of X r|) ^_ #|row_of X r|
    <= refillings #|P| F R e.
Proof.
pose sizes (X : {set 'I_R * P}) : {ffun 'I_R -> 'I_#|P|.+1} := [ffun r => inord #|row_of X r|].
have sizesE X r : sizes X r = #|row_of X r| :> nat by rewrite ffunE inordK // ltnS max_card.
rewrite (partition_big sizes
  (fun x : {ffun 'I_R -> 'I_#|P|.+1} => \sum_r x r == e)) /=; last first.
  by move=> X /eqP<-; rewrite -card_rows; apply/eqP/eq_bigr => r _; apply: sizesE.
apply: leq_sum => x _.
pose rows_of_size := [set Y : {ffun 'I_R -> {set P}} |
  [forall r, Y r \in [set B : {set P} | #|B| == x r]]].
apply: (@leq_trans (\sum_(X | row_of X \in rows_of_size) \prod_r (F + x r) ^_ (x r))).
  rewrite big_mkcond [X in _ <= X]big_mkcond; apply: leq_sum => X _.
  case: ifP => // /andP[_ /eqP X_x]; rewrite ifT; last first.
    by rewrite inE; apply/forallP => r; rewrite inE -X_x sizesE.
  by apply/eq_leq/eq_bigr => r _; rewrite -X_x sizesE.
rewrite sum_nat_const /one_row big_split leq_mul //=.
have <- : #|rows_of_size| = \prod_r 'C(#|P|, x r).
  by rewrite card_family_prod; apply: eq_bigr => r _; rewrite card_draws.
rewrite -(card_in_imset (f := row_of)).
  by apply/subset_leq_card/subsetP => _ /imsetP[X + ->].
move=> X Y _ _ /ffunP same; apply/setP => -[r p].
by have /setP/(_ p) := same r; rewrite !ffunE !inE.
Qed.

Lemma card_fillings : #|fillings| = ((#|P| + F) ^_ #|P|) ^ R.
Proof.
transitivity (\prod_(r < R) #|[set g : {ffun P -> V} | injectiveb g]|).
  rewrite -card_family_prod; apply: eq_card => c; rewrite !inE.
  by apply: eq_forallb => r; rewrite inE.
by rewrite prod_nat_const card_ord card_inj_ffuns card_V.
Qed.

(* Lemma 1. *)
Theorem refillings_served e : #|served e| <= most_served #|P| F R e.
Proof.
have all_fillings : #|served e| <= ((#|P| + F) ^_ #|P|) ^ R.
  by rewrite -card_fillings; apply/subset_leq_card/subsetP => c; rewrite inE => /andP[].
rewrite /most_served; case: ifP => // e_le; rewrite leq_min all_fillings andbT.
exact: leq_trans (served_by_places e_le) (places_by_rows e).
Qed.

End Refillings.
