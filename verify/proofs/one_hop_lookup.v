(* An instance: what the rules ask can be met, for every table of facts.

   In words: the columns are the entities, the relations, and the nodes that may be an answer. One
   head without a query adds up the rows of the subject and of the relation; one unit for each
   fact, `ReLU(x_s + x_r - (sum over all relations of x_r'))`, is 1 for the query of that fact and
   0 for all others, and writes the column of its answer. This model is proven by the rules of the
   kernel, so it answers all N R queries of one hop, with softmax, by a margin of 1.

   It is the key-value memory of docs/theorems/theorem_4_3_key_value.md in one-hot codes, for one
   hop; here it shows that the theorems of kernel.v are not about nothing. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules units weights heads kernel.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Lookup.
Variables (F : realFieldType) (N R : nat) (T : task N R).

Notation column := ('I_N + 'I_R + option 'I_N)%type.
Notation fact_of := ('I_N * 'I_R)%type.
Notation d := #|{: column}|.
Notation h := #|{: fact_of}|.

Definition entry (v : token N R) (c : column) : F :=
  match v, c with
  | Entity s, inl (inl s') => (s == s')%:R
  | Letter r, inl (inr r') => (r == r')%:R
  | _, _ => 0
  end.

Definition token_row (v : token N R) : 'cV[F]_d := \col_c entry v (enum_val c).

Definition node_of (v : token N R) : option (option 'I_N) :=
  match v with Entity s => Some (Some s) | Unknown => Some None | _ => None end.

Definition answer_row (v : token N R) : 'rV[F]_d :=
  \row_c (if enum_val c is inr e then (node_of v == Some e)%:R else 0).

Definition reads_fact : 'M[F]_(h, d) := \matrix_(i, c)
  match enum_val c with
  | inl (inl s) => ((enum_val i).1 == s)%:R
  | inl (inr r) => ((enum_val i).2 == r)%:R - 1
  | inr _ => 0
  end.

Definition writes_answer : 'M[F]_(d, h) := \matrix_(c, i)
  (if enum_val c is inr e then (lead T (enum_val i).2 (Some (enum_val i).1) == e)%:R else 0).

Definition adder : head F d := @Head F d 0 d 0 0 1%:M 2%:R%:M.

Definition facts_in_units : mlp F d d := Hidden reads_fact (Last writes_answer).

Definition lookup : model F N R :=
  Model token_row (fun=> 0) [:: Layer [:: adder] (Some facts_in_units)]
    (fun v => node_of v != None) answer_row.

Lemma sum_columns (f : column -> F) :
  \sum_(c < d) f (enum_val c)
    = \sum_s f (inl (inl s)) + \sum_r f (inl (inr r)) + \sum_e f (inr e).
Proof. by rewrite -(big_enum_val f) big_sumType big_sumType. Qed.

Lemma sum_at (I : finType) (f : I -> F) i : \sum_j f j * (i == j)%:R = f i.
Proof.
rewrite (bigD1 i) //= eqxx mulr1 big1 ?addr0 // => j; rewrite eq_sym => /negbTE ->.
by rewrite mulr0.
Qed.

Definition query_row s r : 'cV[F]_d :=
  token_row (Letter r) + (token_row (Entity s) + token_row (Letter r)).

(* What the unit of a fact sees of a query: 1 of its own, else 0 or less. *)
Lemma unit_sees s r i :
  (reads_fact *m query_row s r) i 0
    = ((enum_val i).1 == s)%:R + (((enum_val i).2 == r)%:R - 1) *+ 2.
Proof.
pose seen_in (c : column) := match c with
    | inl (inl s') => ((enum_val i).1 == s')%:R * (s == s')%:R
    | inl (inr r') => (((enum_val i).2 == r')%:R - 1) *+ 2 * (r == r')%:R
    | inr _ => 0
    end : F.
rewrite mxE (eq_bigr (fun c => seen_in (enum_val c))) => [|c _].
  by rewrite sum_columns /= big1_eq addr0 !sum_at.
rewrite !mxE /seen_in; case: (enum_val c) => [[s'|r']|e] /=.
- by rewrite add0r addr0.
- by rewrite add0r mulrDr mulrnAl mulr2n.
- by rewrite mul0r.
Qed.

Lemma unit_fires s r i :
  Num.max 0 ((reads_fact *m query_row s r) i 0) = (enum_rank (s, r) == i)%:R.
Proof.
rewrite unit_sees (can2_eq enum_rankK enum_valK); case: (enum_val i) => s' r' /=.
rewrite xpair_eqE [s' == _]eq_sym [r' == _]eq_sym.
case: eqP => _; case: eqP => _ /=; rewrite ?subrr ?mul0rn ?addr0 ?add0r ?sub0r ?mulNrn.
- by rewrite max_r ?ler01.
- by rewrite max_l // mulr2n opprD addrA subrr add0r oppr_le0 ler01.
- by rewrite max_l.
- by rewrite max_l // oppr_le0 ler0n.
Qed.

Lemma lookup_reads_answer v s r :
  (answer_row v *m apply_mlp facts_in_units (query_row s r)) 0 0
    = (node_of v == Some (lead T r (Some s)))%:R.
Proof.
rewrite mulmxA mxE; under eq_bigr do rewrite [relu _ _ _]mxE unit_fires.
rewrite sum_at mxE; pose written_in (c : column) := if c is inr e
  then (node_of v == Some e)%:R * (lead T r (Some s) == e)%:R else 0 : F.
rewrite (eq_bigr (fun c => written_in (enum_val c))) => [|c _].
  by rewrite sum_columns /= !big1_eq !add0r sum_at.
by rewrite !mxE /written_in enum_rankK; case: (enum_val c) => [_|e]; rewrite ?mul0r.
Qed.

Lemma token_unread v v' : answer_row v *m token_row v' = 0.
Proof.
apply/matrixP=> i j; rewrite !mxE big1 // => c _; rewrite !mxE.
by case: (enum_val c) => [a|e]; [rewrite mul0r | case: v' => *; rewrite mulr0].
Qed.

(* What the kernel states before the first layer, when the letter is at hand, after the head, and
   after the units. *)
Notation state := (state F N R d 1).
Notation none := (@pred0 'I_d).

Definition letters_row (u : seq (letter R)) : 'cV[F]_d := \sum_(r <- u) token_row (Letter r).

Definition before : state := State
  (fun e u => u = [::] /\ exists s, e = Some s) (fun _ _ => 0)
  (fun p v => if p == ord_max then token_row v else 0)
  [::] none none 0 (Some ord0) [::].

Definition one_letter (e : node N) (u : seq (letter R)) : Prop :=
  exists s r, e = Some s /\ u = [:: r].

Definition with_letter : state := State
  one_letter (fun _ u => letters_row u) (fun _ _ => 0)
  [::] none none 0 (Some ord0) [:: ord_max].

Definition with_fact : state := State
  one_letter (fun e u => letters_row u + (token_row (name R e) + letters_row u)) (fun _ _ => 0)
  [::] none predT 0 (Some ord0) [:: ord_max].

Definition with_answer : state := State
  one_letter
  (fun e u => let x := letters_row u + (token_row (name R e) + letters_row u) in
     x + apply_mlp facts_in_units x)
  (fun _ _ => 0) [::] none predT 0 (Some ord0) [:: ord_max].

Definition any_token (s : 'I_N) (r : 'I_R) (p : 'I_2) : token N R :=
  if p == ord0 then Entity s else Letter r.

Definition summed : finding F N R d 1 := Finding
  (fun _ _ => setT) (fun e u => token_row (name R e) + letters_row u) (fun _ _ => 0) 0 1 0.

Lemma letters_row1 r : letters_row [:: r] = token_row (Letter r).
Proof. by rewrite /letters_row big_seq1. Qed.

Lemma before_starts : starts (held lookup) (@query_kinds N R 1) before ord0.
Proof.
split=> //=.
- by move=> e; rewrite /query_kinds unlift_none => -[s]; case: e => // s' _; split; [|exists s'].
- move=> t e _ _; rewrite add0r (bigD1 ord_max) //=.
  by rewrite big1 ?addr0 => [|p /negbTE -> //]; rewrite /held addr0.
- by move=> c; rewrite mxE.
Qed.

Lemma letter_taken : taken T ord_max before with_letter.
Proof.
split=> //=.
- by move=> e u r [-> [s ->]] _; exists s, r.
- by move=> e u r [-> _] _; rewrite add0r letters_row1.
- by move=> q v; case: eqP.
Qed.

Variables (s0 : 'I_N) (r0 : 'I_R).

Lemma head_adds_up leak : leak 0 <= 1 ->
  head_checked leak (held lookup) (@query_kinds N R 1) (any_token s0 r0) with_letter adder summed.
Proof.
move=> little; split=> //=.
- by move=> p v v' _ _; rewrite !mul0mx.
- by move=> e u _; exists ord0; rewrite inE.
- by move=> e u p q _ _ _; rewrite /key_at !mul0mx.
- by move=> e u p q _ _; rewrite inE.
- move=> t e u can [s [r [-> ->]]] [/(_ _ erefl) at0 [at1]].
  have value p v : value_at (held lookup) adder p v = token_row v *+ 2.
    by rewrite /value_at /= mul1mx mul_scalar_mx /held /= addr0 scaler_nat.
  rewrite cardsT card_ord big1_eq addr0 letters_row1 (eq_bigl predT) => [|p]; last by rewrite inE.
  rewrite !big_ord_recl big_ord0 addr0 !value at0.
  have -> : lift ord0 ord0 = ord_max :> 'I_2 by apply: val_inj.
  by rewrite at1 -mulrnDl.
- by move=> c; rewrite mxE.
- by move=> e u p q v v' c _ _; rewrite inE.
Qed.

Lemma heads_add_up leak : leak 0 <= 1 ->
  layer_checked leak (held lookup) (@query_kinds N R 1) (any_token s0 r0)
    with_letter with_fact [:: adder] [:: summed].
Proof.
move=> little; split=> //=.
- by split; [apply: head_adds_up|].
- by move=> e u _; rewrite big_seq1.
- by move=> p v; rewrite big_seq1 addr0.
- by move=> c; rewrite big_seq1 scaler0 !mxE addr0.
Qed.

Lemma units_add_answer :
  units_checked (@query_kinds N R 1) (any_token s0 r0) facts_in_units with_fact with_answer.
Proof.
split=> //=.
- by move=> e u _; rewrite /seen /= big1 // big_nil !addr0.
- by move=> c; rewrite !mulmx0 mxE addr0.
Qed.

Lemma answer_decided :
  decided T (@query_kinds N R 1) (any_token s0 r0) with_answer
    (vocabulary lookup) (unembedding lookup) (name R) 1.
Proof.
split=> //=.
- by move=> e u [s [r [-> ->]]] /=; case: (fact T r s).
- move=> e u v [s [r [-> ->]]] _ other; rewrite mulmx0 [(0 : 'M_(1, 1)) 0 0]mxE subr0.
  rewrite /seen /= big1 // big_nil !addr0 letters_row1 -[token_row (Letter r) + _]/(query_row s r).
  have none_of_query v' : answer_row v' *m query_row s r = 0.
    by rewrite /query_row !mulmxDr !token_unread !addr0.
  have sub (A B : 'M[F]_1) : (A - B) 0 0 = A 0 0 - B 0 0 by rewrite !mxE.
  rewrite mulmxDr !mulmxBl !none_of_query subrr add0r sub !lookup_reads_answer.
  have -> : node_of (name R (lead T r (Some s))) == Some (lead T r (Some s)).
    by case: (lead T r (Some s)).
  suff /negbTE -> : node_of v != Some (lead T r (Some s)) by rewrite subr0.
  apply/eqP=> same; apply: other; case: v same => //= [s'|] [] <- //.
Qed.

Theorem lookup_proven leak : leak 0 <= 1 ->
  run_proven T lookup leak (@query_kinds N R 1) (any_token s0 r0)
    ord0 [seq lift ord0 i | i <- enum 'I_1] (name R) 1.
Proof.
move=> little; split.
  move=> p; rewrite /query_kinds /any_token; case: unliftP => [i ->|->] /=; last by exists s0.
  by exists r0.
exists before, with_answer, [:: [:: ord_max]]; split.
- exact: before_starts.
- apply: (LayerKeepsNothing (m := lookup) (l := Layer [:: adder] (Some facts_in_units))
           (ls := [::]) (st1 := with_letter) (st2 := with_fact) (st3 := with_answer)
           (fs := [:: summed])).
  + by exists with_letter; first exact: letter_taken.
  + exact: heads_add_up.
  + exact: units_add_answer.
  + exact: NoLayer.
- apply: (inj_map val_inj); rewrite -map_comp /=.
  by rewrite (eq_map (f2 := S \o val)) // map_comp val_enum_ord.
- exact: answer_decided.
Qed.

End Lookup.

(* So the statement of kernel.v says something of every table: here of softmax, with an entity and
   a relation to name. *)
Theorem lookup_is_right (F : realFieldType) (expo : F -> F) N R (T : task N R) s (r : letter R) :
  exponential expo -> claimed T [:: r] (Some s) ->
  says (softmax expo) (lookup F T) (query_tokens s [tuple r]) (name R (lead T r (Some s))) 1.
Proof.
move=> expo_is claim; have little : softmax_leak expo 1 0 <= 1.
  rewrite /softmax_leak (expo0 expo_is) ler_pdivr_mulr ?mul1r ?ler_addl ?ler01 //.
  by rewrite addr_gt0 ?ltr0n ?ltr01.
exact: (direct_model_right (@softmax_leaks F expo expo_is 1) (lookup_proven T s r little) claim).
Qed.
