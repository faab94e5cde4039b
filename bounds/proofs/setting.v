(* The setting of every lower bound: facts, queries, and what a model without chain-of-thought is.

   Docs: docs/theorems/theorem_4_2.md, "One entity enters a query". Python: bounds/counting.py
   (`tables`), bounds/theorem_4_2.py.

   Entities are any finite type T; N is #|T|. Relations are the numbers below R. Facts are
   functions f_0, ..., f_{R-1} of entities to entities; bijections are a subset of them. Words are
   read first letter first.

   A format fixes how many bits name the internal weights (B_T), one token's row of the embedding
   (B_e) and one entity's row of the unembedding (B_u), and how a prompt is computed from them. A
   forward pass is ANY function of the bits of the internal weights and of the embeddings of the
   prompt, in order; an embedding is anything that is decoded from a token's bits, and the decoding
   may depend on the token. So nothing is assumed about depth, width, attention or arithmetic. The
   prompt of (s, w) is the entity s and the relations of w: one entity enters. The logit of an
   entity is any function of the final state and of that entity's row of the unembedding; logits
   are compared by any asymmetric relation. *)

From mathcomp Require Import all_ssreflect all_fingroup.

Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.

(* 1 + R + ... + R^(n-1): the nodes of a tree of n levels. Python: `tree`. *)
Definition tree (R n : nat) : nat := \sum_(i < n) R ^ i.

Lemma tree_recr R n : tree R n.+1 = tree R n + R ^ n.
Proof. by rewrite /tree big_ord_recr. Qed.

Section Facts.
Variables (T : finType) (R : nat).

Definition facts : Type := {ffun 'I_R -> {ffun T -> T}}.
Implicit Types f g : facts.

(* The answer to (s, w): f_{w_k}(... f_{w_1}(s)). *)
Definition follow f (s : T) (w : seq 'I_R) : T := foldl (fun x r => f r x) s w.

Definition functions : {set facts} := setT.
Definition bijections : {set facts} := [set f : facts | [forall r, injectiveb (f r)]].

Definition query (k : nat) : Type := T * k.-tuple 'I_R.

(* The k-hop table: every query with its answer. *)
Definition table k f : {ffun query k -> T} := [ffun q : query k => follow f q.1 q.2].
Definition tables k (A : {set facts}) : {set {ffun query k -> T}} := table k @: A.

Lemma follow_cat f s (v w : seq 'I_R) : follow f s (v ++ w) = follow f (follow f s v) w.
Proof. exact: foldl_cat. Qed.

Lemma follow_rcons f s (w : seq 'I_R) r : follow f s (rcons w r) = f r (follow f s w).
Proof. by rewrite -cats1 follow_cat. Qed.

Lemma bijectionsP f : reflect (forall r, injective (f r)) (f \in bijections).
Proof.
rewrite inE; apply: (iffP forallP) => inj_f r; first exact/injectiveP.
by apply/injectiveP.
Qed.

Lemma follow_inj f w : f \in bijections -> injective (fun s => follow f s w).
Proof.
move/bijectionsP=> inj_f; elim/last_ind: w => [|w r IHw] s s' //=.
by rewrite !follow_rcons => /inj_f/IHw.
Qed.

(* ---- Models ---- *)

Definition bits (n : nat) : Type := n.-tuple bool.

(* Entities, then relations. Tokens that stand in every prompt belong to the internal weights. *)
Definition token : Type := (T + 'I_R)%type.

Record format (B_T B_e B_u : nat) := Format {
  vector : Type;
  final_state : Type;
  number : Type;
  above : rel number;
  above_asymmetric : forall x y, above x y -> ~~ above y x;
  embedding : token -> bits B_e -> vector;
  forward_pass : bits B_T -> seq vector -> final_state;
  logit : final_state -> T -> bits B_u -> number
}.

Arguments embedding {B_T B_e B_u} f t b.
Arguments forward_pass {B_T B_e B_u} f b p.
Arguments logit {B_T B_e B_u} f x t b.
Arguments above {B_T B_e B_u} f.

(* The weights of a model in a format: internal bits, rows of the embedding, rows of the
   unembedding. *)
Record weights (B_T B_e B_u : nat) := Weights {
  internal : bits B_T;
  rows : {ffun token -> bits B_e};
  unembedding : {ffun T -> bits B_u}
}.

Section Models.
Variables (B_T B_e B_u : nat) (F : format B_T B_e B_u).
Implicit Types (W : weights B_T B_e B_u) (U : {ffun T -> bits B_u}).

Definition prompt W (s : T) (w : seq 'I_R) : seq (vector F) :=
  [seq embedding F t (rows W t) | t <- inl s :: [seq inr r | r <- w]].

(* The model answers (s, w) by a: the logit of a is above those of all other entities. *)
Definition answers W (s : T) (w : seq 'I_R) (a : T) : bool :=
  let logits t := logit F (forward_pass F (internal W) (prompt W s w)) t (unembedding W t) in
  [forall t, (t != a) ==> above F (logits a) (logits t)].

Definition recalls k W f : bool :=
  [forall s, [forall w : k.-tuple 'I_R, answers W s w (follow f s w)]].

(* Every tuple of A is answered without error, by weights of its own; or with one unembedding for
   all of them. *)
Definition every_unembedding k (A : {set facts}) : Prop :=
  forall f, f \in A -> exists W, recalls k W f.

Definition fixed_unembedding k (A : {set facts}) : Prop :=
  exists U, forall f, f \in A -> exists W, unembedding W = U /\ recalls k W f.

Lemma answer_unique W s w a b : answers W s w a -> answers W s w b -> a = b.
Proof.
move=> /forallP/(_ b)/implyP a_b /forallP/(_ a)/implyP b_a.
case: (eqVneq a b) => // neq_ab; rewrite eq_sym neq_ab in a_b b_a.
by have := above_asymmetric (a_b isT); rewrite (b_a isT).
Qed.

End Models.
End Facts.

Arguments bijections {T R}.
Arguments functions {T R}.
