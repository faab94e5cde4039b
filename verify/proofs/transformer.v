(* The architecture, over any ordered ring (integers, rationals, ...): the formula of
   docs/certificates.md, "What a PASS states".

     x_p     = E[t_p] + P[p]
     x_p    += sum over heads h of O_h sum_(q <= p) a_pq V_h x_q
     x_p    += W_n ReLU(... ReLU(W_0 x_p))
     logits  = U x_p

   How the scores <Q_h x_p, K_h x_q> become weights a_p is a parameter, `weighing`: softmax or its
   limit (weights.v).

   In Python: `constructions/model/transformer.py`; what is stored of it, `Model` in
   verify/kernel/folder.py. Rows of Python's tables are columns (vectors) here. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Transformer.
Variable F : realDomainType.

(* The weight of each position, seen from position p, made of the scores of all of them. *)
Definition weighing := forall n, 'I_n.+1 -> {ffun 'I_n.+1 -> F} -> 'I_n.+1 -> F.

Section Width.
Variable d : nat.

Record head := Head {
  d_qk : nat; d_v : nat;
  query : 'M[F]_(d_qk, d); key : 'M[F]_(d_qk, d);
  value : 'M[F]_(d_v, d); output : 'M[F]_(d, d_v)
}.

(* The matrices of an MLP, from what is m wide back to the stream. *)
Inductive mlp (m : nat) : Type :=
  | Last (W : 'M[F]_(d, m))
  | Hidden h (W : 'M[F]_(h, m)) (rest : mlp h).

Record layer := Layer { heads : seq head; units : option (mlp d) }.

Definition relu m (x : 'cV[F]_m) : 'cV[F]_m := \col_i Num.max 0 (x i 0).

Fixpoint apply_mlp m (W : mlp m) : 'cV[F]_m -> 'cV[F]_d :=
  match W with
  | Last W => fun x => W *m x
  | Hidden _ W rest => fun x => apply_mlp rest (relu (W *m x))
  end.

Definition score (h : head) (x y : 'cV[F]_d) : F :=
  \sum_i (query h *m x) i 0 * (key h *m y) i 0.

Section Streams.
Variables (weigh : weighing) (n : nat).
Definition streams := 'I_n.+1 -> 'cV[F]_d.

Definition head_adds (h : head) (x : streams) (p : 'I_n.+1) : 'cV[F]_d :=
  \sum_(q : 'I_n.+1 | (q <= p)%N)
     weigh p [ffun q => score h (x p) (x q)] q *: (output h *m (value h *m x q)).

(* All heads of a layer read the same streams. *)
Definition attend (hs : seq head) (x : streams) : streams :=
  fun p => x p + \sum_(h <- hs) head_adds h x p.

Definition feed (u : option (mlp d)) (x : streams) : streams :=
  fun p => x p + (if u is Some W then apply_mlp W (x p) else 0).

Definition apply_layer (x : streams) (l : layer) : streams := feed (units l) (attend (heads l) x).

Definition forward (ls : seq layer) (x : streams) : streams := foldl apply_layer x ls.

End Streams.
End Width.

Section Model.
Variables N R : nat.

Record model := Model {
  width : nat;
  embedding : token N R -> 'cV[F]_width;
  positions : nat -> 'cV[F]_width; (* 0 where the model has none *)
  layers : seq (layer width);
  vocabulary : token N R -> Prop; (* the tokens that have a row: PAD and END only of chains *)
  unembedding : token N R -> 'rV[F]_width
}.

Variables (weigh : weighing) (m : model).

Definition at_start n (t : 'I_n.+1 -> token N R) : streams (width m) n :=
  fun p => embedding m (t p) + positions m p.

Definition logit n (t : 'I_n.+1 -> token N R) (v : token N R) : F :=
  (unembedding m v *m forward weigh (layers m) (at_start t) ord_max) 0 0.

(* The logit of v at the last position is above those of all other tokens by `margin` or more. *)
Definition says n (t : 'I_n.+1 -> token N R) (v : token N R) (margin : F) : Prop :=
  vocabulary m v /\
  forall v', vocabulary m v' -> v' <> v -> logit t v' + margin <= logit t v.

End Model.
End Transformer.
