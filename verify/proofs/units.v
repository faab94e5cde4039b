(* An MLP: what it adds in every case, and to the error.

   Lemma K6 of docs/certificates.md, rule 5 of the kernel: where the first matrix reads the stream
   (rule 2), the MLP adds `W_n ReLU(... ReLU(W_0 z))`, z the stream as that matrix sees it in the
   case, up to `|W_n| ... |W_0| error`.

   In Python: `Position.add_units` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Units.
Variables (F : realDomainType) (N R d n : nat) (T : task N R).
Variable held : 'I_n.+1 -> token N R -> 'cV[F]_d.
Variable may : 'I_n.+1 -> token N R -> Prop.
Variable any : 'I_n.+1 -> token N R.
Hypothesis any_may : forall p, may p (any p).

Fixpoint mlp_error m (W : mlp F d m) : 'cV[F]_m -> 'cV[F]_d :=
  match W with
  | Last W => fun error => sizes W *m error
  | Hidden _ W rest => fun error => mlp_error rest (sizes W *m error)
  end.

Definition mlp_reads (W : mlp F d d) (st : state F N R d n) : Prop :=
  match W with Last W => reads may W st | Hidden _ W _ => reads may W st end.

(* The last matrix has no row of this column. *)
Fixpoint silent m (W : mlp F d m) (c : 'I_d) : Prop :=
  match W with Last W => forall i, W c i = 0 | Hidden _ _ rest => silent rest c end.

Lemma mlp_within m (W : mlp F d m) error x y :
  within pred0 error x y -> within pred0 (mlp_error W error) (apply_mlp W x) (apply_mlp W y).
Proof.
elim: W error x y => [{}m W|{}m h W rest IH] error x y near /=.
  by apply: product_within near.
by apply: IH; apply: relu_within; apply: product_within near.
Qed.

Lemma silent_adds_nothing m (W : mlp F d m) c x : silent W c -> apply_mlp W x c 0 = 0.
Proof.
elim: W x => [{}m W|{}m h W rest IH] x /= none; last exact: IH.
by rewrite mxE big1 // => i _; rewrite none mul0r.
Qed.

Record units_checked (W : mlp F d d) (st st' : state F N R d n) : Prop := UnitsChecked {
  units_carried : carried st st';
  units_read : mlp_reads W st;
  units_known : forall e u, cases st e u ->
    known st' e u = known st e u + apply_mlp W (seen any st e u);
  units_own : forall p v, own st' p v = own st p v;
  units_error : forall c, error st c 0 + mlp_error W (error st) c 0 <= error st' c 0;
  units_written : forall c, ~~ written st' c -> ~~ written st c /\ silent W c
}.

Theorem units_sound W st st' :
  units_checked W st st' -> sound held may (feed (Some W)) st st'.
Proof.
move=> [kept rd stream own' err wr].
apply: (adds_sound (added := fun e u => apply_mlp W (seen any st e u)) (late := fun _ _ => 0)
         (more := mlp_error W (error st)) kept) => //.
- by move=> p v; rewrite addr0.
- by move=> c /wr[].
- move=> t e u x can stands; rewrite /feed addrC addKr big1 ?addr0 // => c _.
  case: W rd {stream err wr} => [W|h W rest] /= rd.
    exact: (read_within any_may rd can stands).
  by apply: mlp_within => //; apply: relu_within; apply: (read_within any_may rd can stands).
- by move=> x p c /wr[_ none]; rewrite /feed mxE silent_adds_nothing ?addr0.
Qed.

End Units.
