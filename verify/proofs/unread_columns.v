(* Non-interference: columns that no matrix reads change nothing that is read.

   In words: let two runs of the same layers begin with streams that agree, at every position, in
   all columns but the unread ones; let no query, key, value and no first matrix of an MLP read an
   unread column (be other than 0 there). Then the streams agree in all other columns after all
   layers, and the unembedding, if it reads none either, gives the same logits. The layers may
   write into unread columns what they like; it makes no difference how scores become weights.
   Proven over every ordered ring, so over the integers (statements.v).

   Lemma K2c of docs/certificates.md, rule 2 of the kernel; in Python the first line of
   `Position.read` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section UnreadColumns.
Variables (F : realDomainType) (weigh : weighing F) (d : nat) (unread : pred 'I_d).

Definition agree n (x y : streams F d n) : Prop :=
  forall p c, ~~ unread c -> x p c 0 = y p c 0.

Definition head_is_blind (h : head F d) : Prop :=
  [/\ blind unread (query h), blind unread (key h) & blind unread (value h)].

Definition units_are_blind (u : option (mlp F d d)) : Prop :=
  match u with
  | Some (Last W) => blind unread W
  | Some (Hidden _ W _) => blind unread W
  | None => True
  end.

Definition layer_is_blind (l : layer F d) : Prop :=
  every head_is_blind (heads l) /\ units_are_blind (units l).

Variable n : nat.
Implicit Types x y : streams F d n.

Lemma head_unread h x y :
  head_is_blind h -> agree x y -> forall p, head_adds weigh h x p = head_adds weigh h y p.
Proof.
move=> [no_q no_k no_v] same p; rewrite /head_adds; apply: eq_bigr => q _.
rewrite (product_unread no_v (same q)); congr (weigh p _ q *: _).
apply/ffunP=> r; rewrite !ffunE /score.
by rewrite (product_unread no_q (same p)) (product_unread no_k (same r)).
Qed.

Lemma heads_unread hs x y :
  every head_is_blind hs -> agree x y -> agree (attend weigh hs x) (attend weigh hs y).
Proof.
move=> no same p c seen; rewrite !mxE same //; congr (_ + _).
suff -> : \sum_(h <- hs) head_adds weigh h x p = \sum_(h <- hs) head_adds weigh h y p by [].
elim: hs no => [|h hs IH] /= no; first by rewrite !big_nil.
by rewrite !big_cons IH ?(head_unread (proj1 no) same) //; case: no.
Qed.

Lemma units_unread u x y : units_are_blind u -> agree x y -> agree (feed u x) (feed u y).
Proof.
move=> no same p c seen; rewrite !mxE same //; congr (_ + _).
case: u no => [[W|h W rest]|] //= no; first by rewrite (product_unread no (same p)).
by rewrite (product_unread no (same p)).
Qed.

Theorem unread_columns_never_matter ls x y :
  every layer_is_blind ls -> agree x y -> agree (forward weigh ls x) (forward weigh ls y).
Proof.
elim: ls x y => //= l ls IH x y [[no_heads no_units] no] same; apply: IH => //.
by apply: units_unread => //; apply: heads_unread.
Qed.

Theorem unread_columns_change_no_logit ls m (U : 'M_(m, d)) x y p :
  every layer_is_blind ls -> blind unread U -> agree x y ->
  U *m forward weigh ls x p = U *m forward weigh ls y p.
Proof.
by move=> no no_U same; apply: product_unread no_U _; apply: unread_columns_never_matter.
Qed.

End UnreadColumns.
