(* How many queries are claimed: the kernel's count is the number of them.

   Theorem K of docs/certificates.md, its last sentences: the paths of one more letter from a node
   are those from all nodes to which a letter leads; *unknown* has one where all queries are
   claimed, and none otherwise.

   In Python: `Model.ways` and `Model.queries` in verify/kernel/folder.py. *)

From mathcomp Require Import all_ssreflect.
From kernel Require Import task.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

Section ClaimedQueries.
Variables (N R : nat) (T : task N R).

(* `Model.ways`. *)
Fixpoint ways (n : nat) (e : node N) : nat :=
  if n is n'.+1 then \sum_(r : letter R) ways n' (lead T r e) else passable T e.

Lemma claimed_at_the_end w e : passable T e -> claimed T w e = passable T (walk T w e).
Proof.
rewrite /passable; case all: (all_claimed T) => /= entity; first exact: everything_claimed.
by apply: stored_path_passes_entities; rewrite ?all.
Qed.

Lemma ways_to_pass n e :
  ways n e = #|[set w : n.-tuple (letter R) | passable T (walk T w e)]|.
Proof.
elim: n e => [|n IH] e /=.
  have -> : [set w : 0.-tuple (letter R) | passable T (walk T w e)]
          = [set w : 0.-tuple (letter R) | passable T e].
    by apply/setP=> w; rewrite !inE tuple0.
  case: (passable T e); last by rewrite (_ : [set _ | false] = set0) ?cards0.
  by rewrite (_ : [set _ | true] = setT) // cardsT card_tuple expn0.
rewrite -[RHS]sum1dep_card (partition_big (@thead n _) xpredT) //=.
apply: eq_bigr => r _; rewrite IH -sum1dep_card.
rewrite (reindex_onto (fun w : n.-tuple (letter R) => [tuple of r :: w])
                      (fun w : n.+1.-tuple (letter R) => [tuple of behead w])) /=.
  apply: eq_bigl => w; rewrite theadE eqxx andbT -[LHS]andbT; congr (_ && _).
  by apply/esym/eqP; apply: val_inj.
by move=> w /andP[_ /eqP <-]; rewrite [RHS]tuple_eta.
Qed.

Theorem claimed_queries_counted n :
  \sum_(s : 'I_N) ways n (Some s)
    = #|[set q : 'I_N * n.-tuple (letter R) | claimed T q.2 (Some q.1)]|.
Proof.
rewrite -[RHS]sum1dep_card -(pair_big_dep xpredT
  (fun s (w : n.-tuple (letter R)) => claimed T w (Some s)) (fun _ _ => 1)) /=.
apply: eq_bigr => s _; rewrite ways_to_pass -sum1dep_card; apply: eq_bigl => w.
by rewrite claimed_at_the_end // /passable orbT.
Qed.

End ClaimedQueries.
