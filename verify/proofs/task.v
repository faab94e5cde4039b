(* The task: nodes, paths, claimed queries and tokens.

   In docs/certificates.md, "What a PASS states" and "What is tabulated": a node is an entity or
   *unknown*; every relation maps nodes to nodes, and *unknown* to itself; a missing fact leads to
   *unknown*. A query is claimed if all are, or if its path meets no missing fact.

   In Python: `Model.facts`, `Model.nodes` and `Model.rows` in verify/kernel/folder.py. *)

From mathcomp Require Import all_ssreflect.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* A property of every entry of a list. *)
Fixpoint every A (P : A -> Prop) (s : seq A) : Prop :=
  if s is a :: s' then P a /\ every P s' else True.

Section Task.
Variables N R : nat.

Definition node := option 'I_N.
Definition letter := 'I_R.

(* The vocabulary, in the order of the rows of an embedding. *)
Variant token := Entity of 'I_N | Letter of letter | Unknown | Pad | End.

Record task := Task {
  fact : letter -> 'I_N -> option 'I_N; (* None where a fact is missing *)
  all_claimed : bool                    (* else the stored queries alone *)
}.

Variable T : task.

Definition lead (r : letter) (e : node) : node := obind (fact T r) e.

(* Where a path leads: the first letter is applied first. *)
Definition walk (w : seq letter) (e : node) : node := foldl (fun e r => lead r e) e w.

Definition passable (e : node) : bool := all_claimed T || isSome e.

(* Every node to which a letter of the path leads is one that a claimed query may pass. *)
Fixpoint claimed (w : seq letter) (e : node) : bool :=
  if w is r :: w' then passable (lead r e) && claimed w' (lead r e) else true.

Definition name (e : node) : token := if e is Some s then Entity s else Unknown.

Lemma walk_cat u w e : walk (u ++ w) e = walk w (walk u e).
Proof. by rewrite /walk foldl_cat. Qed.

Lemma walk_rcons u r e : walk (rcons u r) e = lead r (walk u e).
Proof. by rewrite /walk foldl_rcons. Qed.

Lemma claimed_cat u w e : claimed (u ++ w) e = claimed u e && claimed w (walk u e).
Proof. by elim: u e => //= r u IH e; rewrite IH andbA. Qed.

(* The path of a stored query meets no missing fact. *)
Lemma stored_path_passes_entities w e :
  ~~ all_claimed T -> isSome e -> claimed w e = isSome (walk w e).
Proof.
rewrite /passable => stored; elim: w e => [|r w IH] e //= entity.
rewrite /passable (negbTE stored) /=.
case reached: (isSome (lead r e)); first by rewrite IH.
suff -> : walk w (lead r e) = None by [].
by case: (lead r e) reached => // _; elim: w {IH}.
Qed.

Lemma everything_claimed w e : all_claimed T -> claimed w e.
Proof. by move=> all; elim: w e => //= r w IH e; rewrite /passable all IH. Qed.

(* *unknown* is reached from an entity only where a fact is missing. *)
Lemma unknown_needs_missing_fact w e :
  isSome e -> walk w e = None -> exists r s, fact T r s = None.
Proof.
elim: w e => [|r w IH] [s|] //= _ unknown.
case fact_of: (fact T r s) unknown => [o|] unknown; last by exists r, s.
by apply: (IH (Some o)).
Qed.

End Task.

Arguments Entity {N R}.
Arguments Letter {N R}.
Arguments Unknown {N R}.
Arguments Pad {N R}.
Arguments End {N R}.
