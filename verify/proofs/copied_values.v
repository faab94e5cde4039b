(* When the mean of the selected values is known, in every case.

   Lemma K4 of docs/certificates.md, its second half. The value of a position that is selected in
   some case is known if it is alike for all tokens of the position, or if its token is the node
   at hand or a letter at hand; of any other token the value is a row of a table, if that position
   alone is selected in every case.

   In Python: `Position.mixed` in verify/kernel/proof.py, and `added` in `add_heads`. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules weights heads.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section CopiedValues.
Variables (F : realDomainType) (N R d n : nat).
Variable held : 'I_n.+1 -> token N R -> 'cV[F]_d.
Variable may : 'I_n.+1 -> token N R -> Prop.
Variable any : 'I_n.+1 -> token N R.
Variables (st : state F N R d n) (h : head F d).
Variable selected : node N -> seq (letter R) -> {set 'I_n.+1}.

Variant source := Alike | AtNode | AtLetter of nat | Late.

Variable source_of : 'I_n.+1 -> source.

Definition sourced (p : 'I_n.+1) : Prop :=
  match source_of p with
  | Alike => forall v, may p v -> value_at held h p v = value_at held h p (any p)
  | AtNode => at_node st = Some p
  | AtLetter i => (i < size (at_letters st))%N /\ nth ord0 (at_letters st) i = p
  | Late => forall e u, cases st e u -> selected e u = [set p]
  end.

(* `value` in `mixed`. *)
Definition value_known (e : node N) (u : seq (letter R)) (p : 'I_n.+1) : 'cV[F]_d :=
  match source_of p with
  | Alike => value_at held h p (any p)
  | AtNode => value_at held h p (name R e)
  | AtLetter i => value_at held h p (nth Pad [seq Letter r | r <- u] i)
  | Late => 0
  end.

(* `later` in `mixed`. *)
Definition late_rows (p : 'I_n.+1) (v : token N R) : 'cV[F]_d :=
  if source_of p is Late then value_at held h p v else 0.

Theorem mean_from_sources (added : node N -> seq (letter R) -> 'cV[F]_d) :
  (forall e u p, cases st e u -> p \in selected e u -> sourced p) ->
  (forall p, source_of p = Late -> sourced p) ->
  (forall e u, cases st e u ->
     \sum_(p in selected e u) value_known e u p = added e u *+ #|selected e u|) ->
  forall t e u, possible may t -> cases st e u -> at_hand st t e u ->
  \sum_(p in selected e u) value_at held h p (t p)
    = (added e u + \sum_p late_rows p (t p)) *+ #|selected e u|.
Proof.
move=> known_there late_alone mean t e u can listed [node_at letters_at].
rewrite mulrnDl -mean // -sumrMnl.
have -> : \sum_p late_rows p (t p) *+ #|selected e u|
        = \sum_(p in selected e u) late_rows p (t p).
  rewrite [RHS]big_mkcond; apply: eq_bigr => p _; rewrite /late_rows.
  case src: (source_of p); rewrite ?mul0rn ?if_same //.
  have := late_alone p src; rewrite /sourced src => /(_ e u listed) ->.
  by rewrite cards1 mulr1n set11.
rewrite -big_split; apply: eq_bigr => p in_p /=.
have := known_there e u p listed in_p; rewrite /sourced /value_known /late_rows.
case: (source_of p) => [alike|at_p|i [lt_i at_p]|_]; rewrite ?addr0 ?add0r //.
- by rewrite alike.
- by rewrite (node_at p).
- by rewrite -letters_at (nth_map ord0) // at_p.
Qed.

End CopiedValues.
