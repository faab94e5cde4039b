(* Proposition 6: the bound for every unembedding, by forward trees that meet backward trees.

   Docs: docs/theorems/theorem_4_2.md, "An unembedding that knows the facts". Python:
   `fact_aware_unembedding_bound`; the family is `fact_aware_family` of bounds/counting.py. *)

From mathcomp Require Import all_ssreflect all_fingroup.
From bounds Require Import setting lemma_0 global_bound trees.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section MeetingTrees.
Variables (T : finType) (R i j M Q : nat).

Local Notation frontier := ('I_M * i.-tuple 'I_R)%type.
Local Notation group_place := (j.-tuple 'I_R * 'I_Q)%type.

(* Forward nodes (m, u), |u| <= i, and backward nodes [v, t], |v| <= j, are different entities. *)
Definition distinct_meeting_nodes (ahead : 'I_M -> seq 'I_R -> T) (back : seq 'I_R -> 'I_Q -> T) :=
  [/\ forall m m' u u', size u <= i -> size u' <= i -> ahead m u = ahead m' u' -> m = m' /\ u = u',
      forall v v' t t', size v <= j -> size v' <= j -> back v t = back v' t' -> v = v' /\ t = t' &
      forall m u v t, size u <= i -> size v <= j -> ahead m u <> back v t].

Lemma distinct_meeting_nodes_exist : M * tree R i.+1 + Q * tree R j.+1 <= #|T| ->
  exists ahead back, distinct_meeting_nodes ahead back.
Proof.
move=> enough.
pose X := [finType of 'I_M * {bseq i of 'I_R} + {bseq j of 'I_R} * 'I_Q].
have [|h h_inj] := @injection_exists X T.
  by rewrite card_sum !card_prod !card_bseq !card_ord [X in _ + X]mulnC.
exists (fun m u => h (inl (m, insubd [bseq] u))), (fun v t => h (inr (insubd [bseq] v, t))).
split=> [m m' u u' u_i u'_i | v v' t t' v_j v'_j | m u v t _ _ /h_inj //] /h_inj.
- by case=> -> /(congr1 val); rewrite !val_insubd u_i u'_i.
- by case=> /(congr1 val) + ->; rewrite !val_insubd v_j v'_j.
Qed.

Variables (ahead : 'I_M -> seq 'I_R -> T) (back : seq 'I_R -> 'I_Q -> T).
Hypothesis nodes_inj : distinct_meeting_nodes ahead back.

(* The frontier is divided into groups of Q, one for each word v of length j. *)
Variable group : frontier -> group_place.
Hypothesis group_inj : injective group.

(* Where an r-edge begins: at the forward nodes, and at the backward nodes [r v, t]. *)
Local Notation edges :=
  ('I_M * {bseq i of 'I_R} + {v : {bseq j of 'I_R} | size v < j} * 'I_Q)%type.

Definition source r (x : edges) : T :=
  match x with inl (m, u) => ahead m u | inr (v, t) => back (r :: val v) t end.

(* Where it ends; pi chooses, for each group and relation, a map of the group to the targets. *)
Definition target (pi : j.-tuple 'I_R -> 'I_R -> 'I_Q -> 'I_Q) r (x : edges) : T :=
  match x with
  | inl (m, u) => if size u < i then ahead m (rcons u r)
      else let: (v, place) := group (m, insubd [tuple of nseq i r] (val u)) in
        back v (pi v r place)
  | inr (v, t) => back (val v) t
  end.

Lemma source_inj r : injective (source r).
Proof.
case: nodes_inj => ahead_inj back_inj apart.
move=> [[m u]|[v t]] [[m' u']|[v' t']] /=.
- by case/ahead_inj; rewrite ?size_bseq // => -> /val_inj->.
- by move/apart; case; [exact: size_bseq | exact: (valP v')].
- by move/esym/apart; case; [exact: size_bseq | exact: (valP v)].
- by case/back_inj; [exact: (valP v) | exact: (valP v') | case=> /val_inj/val_inj-> ->].
Qed.

Lemma full_tuple n r (u : {bseq n of 'I_R}) : (size u < n) = false ->
  val (insubd [tuple of nseq n r] (val u)) = val u.
Proof. by move=> u_n; rewrite val_insubd eqn_leq size_bseq leqNgt u_n. Qed.

Lemma target_inj pi r : (forall v, injective (pi v r)) -> injective (target pi r).
Proof.
case: nodes_inj => ahead_inj back_inj apart pi_inj.
have size_v (v : j.-tuple 'I_R) : size v <= j by rewrite size_tuple.
move=> [[m u]|[v t]] [[m' u']|[v' t']] /=.
- case: ifP => u_i; case: ifP => u'_i.
  + case/ahead_inj; rewrite ?size_rcons // => -> /(rcons_injl r) u_u'.
    by congr (inl (_, _)); apply: val_inj.
  + by case: (group _) => v p /apart; case; rewrite ?size_rcons.
  + by case: (group _) => v p /esym/apart; case; rewrite ?size_rcons.
  case group_u: (group _) => [v p]; case group_u': (group _) => [v' p'].
  case/back_inj => // /val_inj v_v'; rewrite -v_v' in group_u' *; move/pi_inj => p_p'.
  move: group_u'; rewrite -p_p' -group_u => /group_inj[-> /(congr1 val)].
  by rewrite !full_tuple // => /val_inj->.
- case: ifP => u_i.
    by move/apart; case; rewrite ?size_rcons // ltnW // (valP v').
  case: (group _) => v p; case/back_inj => //; first exact/ltnW/(valP v').
  by move=> v_v' _; have := valP v'; rewrite -[size _]/(size (val v')) -v_v' size_tuple ltnn.
- case: ifP => u_i.
    by move/esym/apart; case; rewrite ?size_rcons // ltnW // (valP v).
  case: (group _) => v' p; case/back_inj => //; first exact/ltnW/(valP v).
  by move=> v_v' _; have := valP v; rewrite -[size _]/(size (val v)) v_v' size_tuple ltnn.
- case/back_inj; [exact/ltnW/(valP v) | exact/ltnW/(valP v') | ].
  by move=> /val_inj/val_inj-> ->.
Qed.

(* The query (root m, u r v) runs along fixed edges, but for one that was chosen. *)
Lemma chosen_edges_are_shown (f : facts T R) pi :
  (forall r x, f r (source r x) = target pi r x) ->
  forall m (u : i.-tuple 'I_R) r, let: (v, place) := group (m, u) in
    follow f (ahead m [::]) (u ++ r :: v) = back [::] (pi v r place).
Proof.
move=> f_edges m u r; case group_u: (group _) => [v place].
have inside w : size w <= i -> follow f (ahead m [::]) w = ahead m w.
  elim/last_ind: w => // w r' IHw; rewrite size_rcons follow_rcons => w_i.
  by rewrite IHw 1?ltnW // (f_edges r' (inl (m, Bseq (ltnW w_i)))) /= w_i.
have home w t : size w <= j -> follow f (back w t) w = back [::] t.
  elim: w => // r' w IHw w_j /=.
  by rewrite (f_edges r' (inr (exist _ (Bseq (ltnW w_j)) w_j, t))) /= IHw // ltnW.
have u_i : size u <= i by rewrite size_tuple.
rewrite follow_cat inside //= (f_edges r (inl (m, Bseq u_i))) /= size_tuple ltnn.
by rewrite valKd group_u home ?size_tuple.
Qed.

End MeetingTrees.

Section Family.
Variables (T : finType) (R : nat).

(* As many facts as `count`, all in K: M entities are asked about, the answers are among Q, and
   members that answer alike are equal. *)
Definition family_with_targets k M Q (K : {set facts T R}) count : Prop :=
  exists (S targets : {set T}) (A : {set facts T R}) (D : {set query T R k}),
    [/\ #|S| = M, #|targets| = Q, A \subset K & #|A| = count] /\
    [/\ forall q, q \in D -> q.1 \in S,
        forall f q, f \in A -> q \in D -> follow f q.1 q.2 \in targets &
        {in A &, forall f g,
          (forall q, q \in D -> follow f q.1 q.2 = follow g q.1 q.2) -> f = g}].

(* P: the choices for one group and one relation, permutations or functions of the Q targets. *)
Lemma meeting_family (i j M Q : nat) (P : finType) (act : P -> 'I_Q -> 'I_Q)
    (K : {set facts T R}) :
  (forall p q, act p =1 act q -> p = q) ->
  (forall ahead back (group : 'I_M * i.-tuple 'I_R -> j.-tuple 'I_R * 'I_Q)
      (pi : {ffun j.-tuple 'I_R * 'I_R -> P}),
    distinct_meeting_nodes i j ahead back -> injective group ->
    exists2 f, f \in K & forall r x,
      f r (source ahead back r x) = target ahead back group (fun v r => act (pi (v, r))) r x) ->
  M * R ^ i = Q * R ^ j -> M * tree R i.+1 + Q * tree R j.+1 <= #|T| ->
  family_with_targets (i + j.+1) M Q K (#|P| ^ (R ^ j.+1)).
Proof.
move=> act_inj members same_size enough.
have [ahead [back nodes_inj]] := distinct_meeting_nodes_exist enough.
have card_groups : #|[finType of 'I_M * i.-tuple 'I_R]| = #|[finType of j.-tuple 'I_R * 'I_Q]|.
  by rewrite !card_prod !card_tuple !card_ord same_size mulnC.
have [|group group_inj] := @injection_exists [finType of 'I_M * i.-tuple 'I_R]
  [finType of j.-tuple 'I_R * 'I_Q]; first by rewrite card_groups.
have [ungroup _ groupK] : bijective group.
  by apply: inj_card_bij => //; rewrite card_groups.
pose X := [finType of ('I_M * i.-tuple 'I_R) * 'I_R].
pose ask (x : X) : query T R (i + j.+1) :=
  (ahead x.1.1 [::], [tuple of x.1.2 ++ x.2 :: (group x.1).1]).
pose C := [finType of {ffun j.-tuple 'I_R * 'I_R -> P}].
pose shown (c : C) (x : X) := back [::] (act (c ((group x.1).1, x.2)) (group x.1).2).
have [c | c d same | A [sub card_A shown_A apart]] := @family_of_choices T _ C R _ K ask shown.
- have [f f_K f_edges] := members ahead back group c nodes_inj group_inj.
  exists f => // -[[m u] r]; have := chosen_edges_are_shown f_edges m u r.
  by rewrite /ask /shown /=; case: (group _).
- apply/ffunP => -[v r]; apply: act_inj => p.
  have := same (ungroup (v, p), r); rewrite /shown /= groupK /=.
  by case: nodes_inj => _ back_inj _ /back_inj[].
exists [set ahead m [::] | m in 'I_M], [set back [::] t | t in 'I_Q], A, [set ask x | x in X].
case: nodes_inj => ahead_inj back_inj _; split; split=> //.
- by rewrite card_imset ?card_ord // => m m' /ahead_inj[].
- by rewrite card_imset ?card_ord // => t t' /back_inj[].
- by rewrite card_A card_ffun card_prod card_tuple card_ord -expnSr.
- by move=> _ /imsetP[x _ ->]; apply: imset_f.
- move=> f _ /shown_A[c f_c] /imsetP[x _ ->]; rewrite f_c; exact: imset_f.
- by move=> f g f_A g_A same; apply: apart => // x; apply: same; apply: imset_f.
Qed.

(* Proposition 6. *)
Theorem proposition_6 i j M Q : M * R ^ i = Q * R ^ j ->
  M * tree R i.+1 + Q * tree R j.+1 <= #|T| ->
  family_with_targets (i + j.+1) M Q bijections (Q`! ^ (R ^ j.+1)).
Proof.
rewrite -[in X in _ -> _ -> X](card_ord Q) -card_permutations card_ord.
apply: (@meeting_family i j M Q _ (fun p : {perm 'I_Q} => p)) => [p q /permP // |].
move=> ahead back group pi nodes_inj group_inj.
have act_inj r v : injective (pi (v, r)) by apply: perm_inj.
have [p pP] := fin_all_exists (fun r => extends_to_bijection (source_inj nodes_inj (r := r))
  (target_inj nodes_inj group_inj (pi := fun v r => pi (v, r)) (act_inj r))).
exists (of_permutations (finfun p)); first exact: of_permutations_bij.
by move=> r x; rewrite of_permutationsE ffunE pP.
Qed.

Theorem proposition_6_functions i j M Q : M * R ^ i = Q * R ^ j ->
  M * tree R i.+1 + Q * tree R j.+1 <= #|T| ->
  family_with_targets (i + j.+1) M Q functions ((Q ^ Q) ^ (R ^ j.+1)).
Proof.
have -> : Q ^ Q = #|{ffun 'I_Q -> 'I_Q}| by rewrite card_ffun card_ord.
apply: (@meeting_family i j M Q _ (fun p : {ffun 'I_Q -> 'I_Q} => p)) => [p q same |].
  exact/ffunP.
move=> ahead back group pi nodes_inj group_inj.
have [f fP] := fin_all_exists (fun r => extends_to_function
  (target ahead back group (fun v r => pi (v, r)) r) (source_inj nodes_inj (r := r))).
by exists (finfun f); rewrite ?inE // => r x; rewrite ffunE fP.
Qed.

End Family.

Section Bounds.
Variables (T : finType) (R B_T B_e B_u : nat) (F : format T R B_T B_e B_u).

Lemma family_with_targets_bound k M Q K count : every_unembedding F k K ->
  family_with_targets k M Q K count -> count <= 2 ^ (B_T + (M + R) * B_e + Q * B_u).
Proof.
move=> recalled [S [targets [A [D [[<- <- /subsetP sub <-] [from_S in_Q apart]]]]]].
by apply: lemma_0_every from_S in_Q apart => f /sub; apply: recalled.
Qed.

Theorem fact_aware_bound i j M Q : every_unembedding F (i + j.+1) bijections ->
  M * R ^ i = Q * R ^ j -> M * tree R i.+1 + Q * tree R j.+1 <= #|T| ->
  Q`! ^ (R ^ j.+1) <= 2 ^ (B_T + (M + R) * B_e + Q * B_u).
Proof.
by move=> recalled same enough; apply: family_with_targets_bound recalled _; apply: proposition_6.
Qed.

Theorem fact_aware_bound_functions i j M Q : every_unembedding F (i + j.+1) functions ->
  M * R ^ i = Q * R ^ j -> M * tree R i.+1 + Q * tree R j.+1 <= #|T| ->
  (Q ^ Q) ^ (R ^ j.+1) <= 2 ^ (B_T + (M + R) * B_e + Q * B_u).
Proof.
move=> recalled same enough; apply: family_with_targets_bound recalled _.
exact: proposition_6_functions.
Qed.

End Bounds.
