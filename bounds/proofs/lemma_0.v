(* Lemma 0: tables that must be distinguished need as many settings of the bits that enter.

   Docs: docs/theorems/theorem_4_2.md, Lemma 0; docs/imperfect-recall.md, equation (1). *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* If every member of A is served by some code, and no code serves more than X members, there are
   at least #|A| / X codes. *)
Lemma codes_needed (I D : finType) (A : {set I}) (serves : D -> pred I) X :
  (forall f, f \in A -> exists d, serves d f) ->
  (forall d, #|[set f in A | serves d f]| <= X) -> #|A| <= X * #|D|.
Proof.
move=> some_code at_most_X; rewrite mulnC -sum_nat_const.
apply: (@leq_trans (\sum_d #|[set f in A | serves d f]|)); last by apply: leq_sum => d _.
under eq_bigr => d _ do rewrite -sum1dep_card big_mkcondr.
rewrite exchange_big -sum1_card leq_sum // => f /some_code[d d_f].
by rewrite (bigD1 d) //= d_f.
Qed.

(* Members of A that answer all k-hop queries from S alike are equal. *)
Definition distinguished (T : finType) R k (S : {set T}) (A : {set facts T R}) : Prop :=
  {in A &, forall f g,
    (forall s (w : k.-tuple 'I_R), s \in S -> follow f s w = follow g s w) -> f = g}.

Section LemmaZero.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u).
Implicit Types (W : weights T R B_T B_e B_u) (S Q : {set T}).

(* The bits that enter queries from S: internal ones, and the rows of S and of the relations. *)
Definition code_from (S : {set T}) : finType :=
  [finType of bits B_T * {ffun {s | s \in S} + 'I_R -> bits B_e}].

Definition code S W : code_from S :=
  (internal W, [ffun t : {s | s \in S} + 'I_R =>
    rows W (match t with inl s => inl (val s) | inr r => inr r end)]).

Lemma card_bits n : #|[finType of bits n]| = 2 ^ n.
Proof. by rewrite card_tuple card_bool. Qed.

Lemma card_code S : #|code_from S| = 2 ^ (B_T + (#|S| + R) * B_e).
Proof.
rewrite card_prod card_bits card_ffun card_bits card_sum card_sig card_ord.
by rewrite !expnD -!expnM -!expnD mulnDl ![B_e * _]mulnC.
Qed.

Lemma code_prompt S W W' s w :
  s \in S -> code S W = code S W' -> prompt F W s w = prompt F W' s w.
Proof.
move=> s_in [_ /ffunP rows_eq]; rewrite /prompt /=; congr (_ :: _).
  by have := rows_eq (inl (exist _ s s_in)); rewrite !ffunE /= => ->.
rewrite -!map_comp; apply: eq_map => r /=.
by have := rows_eq (inr r); rewrite !ffunE /= => ->.
Qed.

(* What W answers to a query from S depends on the code of S and on the unembedding. *)
Lemma code_answers S W W' s w a : s \in S -> code S W = code S W' ->
  unembedding W = unembedding W' -> answers F W s w a = answers F W' s w a.
Proof.
move=> s_in same same_U; rewrite /answers (code_prompt w s_in same) same_U.
by case: same => ->.
Qed.

(* Equation (1) of docs/imperfect-recall.md: `good f W` says that W answers queries from S as it
   is asked to; weights whose answers from S are the same are good for the same f. *)
Theorem settings_needed (I : finType) (A : {set I}) S X U
    (good : I -> weights T R B_T B_e B_u -> bool) :
  (forall f W W', code S W = code S W' -> unembedding W = unembedding W' ->
    good f W -> good f W') ->
  (forall f, f \in A -> exists W, unembedding W = U /\ good f W) ->
  (forall W, #|[set f in A | good f W]| <= X) ->
  #|A| <= X * 2 ^ (B_T + (#|S| + R) * B_e).
Proof.
move=> same_good served at_most_X; rewrite -card_code.
pose with_code (d : code_from S) W := [&& unembedding W == U & code S W == d].
pose weights_of (p : bits B_T * {ffun token T R -> bits B_e}) : weights T R B_T B_e B_u :=
  Weights p.1 p.2 U.
pose serves (d : code_from S) f :=
  [exists p, (code S (weights_of p) == d) && good f (weights_of p)].
apply: (codes_needed (serves := serves)) => [f /served[W [W_U good_W]] | d].
  exists (code S W); apply/existsP; exists (internal W, rows W).
  have -> : weights_of (internal W, rows W) = W by rewrite /weights_of -W_U; case: (W).
  by rewrite eqxx.
case: (pickP (fun p => code S (weights_of p) == d)) => [p /eqP p_d | none].
  apply: leq_trans (at_most_X (weights_of p)); apply/subset_leq_card/subsetP => f.
  rewrite !inE => /andP[-> /existsP[q /andP[/eqP q_d]]]; apply: same_good => //.
  by rewrite q_d.
rewrite (_ : [set _ in _ | _] = set0) ?cards0 //; apply/setP => f; rewrite !inE.
by apply/negP => /andP[_ /existsP[q]]; rewrite none.
Qed.

(* Lemma 0 (a). *)
Theorem lemma_0_fixed k S (A : {set facts T R}) : fixed_unembedding F k A -> distinguished k S A ->
  #|A| <= 2 ^ (B_T + (#|S| + R) * B_e).
Proof.
move=> [U all_recalled] apart; rewrite -[X in _ <= X]mul1n.
pose good (f : facts T R) W := 
  [forall s, (s \in S) ==> [forall w : k.-tuple 'I_R, answers F W s w (follow f s w)]].
apply: (@settings_needed _ A S 1 U good) => [f W W' same same_U | f f_in | W].
- move=> /forallP W_f; apply/forallP => s; apply/implyP => s_in.
  apply/forallP => w; rewrite -(code_answers _ _ s_in same same_U).
  by have /implyP/(_ s_in)/forallP/(_ w) := W_f s.
- have [W [W_U /forallP W_f]] := all_recalled f f_in; exists W; split=> //.
  by apply/forallP => s; apply/implyP.
- apply/card_le1_eqP => g f; rewrite !inE => /andP[g_in /forallP W_g] /andP[f_in /forallP W_f].
  apply: apart => // s w s_in; apply: (@answer_unique _ _ _ _ _ F W s w).
    by have /implyP/(_ s_in)/forallP/(_ w) := W_f s.
  by have /implyP/(_ s_in)/forallP/(_ w) := W_g s.
Qed.

(* The same with the rows of the unembedding of Q. *)
Definition code_and_rows (S Q : {set T}) W :
    code_from S * {ffun {t | t \in Q} -> bits B_u} :=
  (code S W, [ffun t => unembedding W (val t)]).

(* Lemma 0 (b): the queries of D start in S, every member of A answers them in Q, and members that
   answer them alike are equal. *)
Theorem lemma_0_every k S Q (A : {set facts T R}) (D : {set query T R k}) :
  every_unembedding F k A ->
  (forall q, q \in D -> q.1 \in S) ->
  (forall f q, f \in A -> q \in D -> follow f q.1 q.2 \in Q) ->
  {in A &, forall f g,
    (forall q, q \in D -> follow f q.1 q.2 = follow g q.1 q.2) -> f = g} ->
  #|A| <= 2 ^ (B_T + (#|S| + R) * B_e + #|Q| * B_u).
Proof.
move=> all_recalled from_S in_Q apart; rewrite -[X in _ <= X]mul1n expnD -card_code.
have -> : 2 ^ (#|Q| * B_u) = #|{ffun {t | t \in Q} -> bits B_u}|.
  by rewrite card_ffun card_bits card_sig -expnM mulnC.
rewrite -card_prod.
pose weights_of (p : bits B_T * {ffun token T R -> bits B_e} * {ffun T -> bits B_u}) :
  weights T R B_T B_e B_u := Weights p.1.1 p.1.2 p.2.
pose serves d f := [exists p, (code_and_rows S Q (weights_of p) == d) &&
  recalls F k (weights_of p) f].
apply: (codes_needed (serves := serves)) => [f /all_recalled[W W_f] | d].
  exists (code_and_rows S Q W); apply/existsP; exists (internal W, rows W, unembedding W).
  have -> : weights_of (internal W, rows W, unembedding W) = W by case: (W).
  by rewrite eqxx.
apply/card_le1_eqP => g f; rewrite !inE.
move=> /andP[g_in /existsP[q /andP[/eqP q_d q_g]]] /andP[f_in /existsP[p /andP[/eqP p_d p_f]]].
apply: apart => // -[s w] sw_in; have /= s_in := from_S _ sw_in.
have /= f_Q := in_Q f _ f_in sw_in; have /= g_Q := in_Q g _ g_in sw_in.
case: (eqVneq (follow f s w) (follow g s w)) => // differ.
have [same_code same_rows] : code S (weights_of p) = code S (weights_of q) /\
    forall t, t \in Q -> unembedding (weights_of p) t = unembedding (weights_of q) t.
  have same : code_and_rows S Q (weights_of p) = code_and_rows S Q (weights_of q).
    by rewrite p_d q_d.
  split=> [|t t_in]; first exact: (congr1 fst same).
  by have /ffunP/(_ (exist _ t t_in)) := congr1 snd same; rewrite !ffunE.
move: p_f q_g => /forallP/(_ s)/forallP/(_ w)/forallP/(_ (follow g s w))/implyP.
rewrite eq_sym differ => /(_ isT) f_above.
move=> /forallP/(_ s)/forallP/(_ w)/forallP/(_ (follow f s w))/implyP/(_ differ).
rewrite -(code_prompt w s_in same_code) -!same_rows //.
have -> : internal (weights_of q) = internal (weights_of p) by case: same_code.
by rewrite (negbTE (above_asymmetric f_above)).
Qed.

End LemmaZero.
